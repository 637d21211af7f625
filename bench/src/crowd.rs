//! `devgate watch` over many containers that are denied something all the time.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;
use crate::observed::{denied, program};
use crate::opener::{Opener, Order, TICK};
use crate::tools::Tools;
use crate::world::World;
use crate::{progress, sys};

/// What watch made of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Crowd {
    /// How many containers it watches.
    pub containers: usize,
    /// How often each was denied something.
    pub denials_each: u64,
    /// Containers of which watch has counted just that.
    pub exact: usize,
    /// Seconds that it took them.
    pub wall_s: f64,
    /// Seconds of CPU that watch used meanwhile.
    pub cpu_s: f64,
    /// The most memory that watch had, in KiB.
    pub peak_kib: u64,
}

impl Crowd {
    /// Denials a second of all containers.
    pub fn rate(&self) -> f64 {
        self.containers as f64 * self.denials_each as f64 / self.wall_s
    }

    /// The part of one CPU that watch took.
    pub fn percent(&self) -> f64 {
        100.0 * self.cpu_s / self.wall_s
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effort {
    /// Containers.
    pub containers: usize,
    /// Denials of each in a tick of its process.
    pub denials: usize,
    /// Ticks.
    pub ticks: u32,
}

/// Has watch look on while as many containers are denied a device.
pub fn measure(world: &World, tools: &Tools, effort: Effort) -> anyhow::Result<Crowd> {
    more_files()?;
    let above = world.cgroup("crowd")?;
    let program = sys::load(&program(world, tools)?)?;
    let mut containers = Vec::new();
    for number in 0..effort.containers {
        progress("crowd, containers", number, effort.containers);
        let cgroup = world.cgroup(&format!("crowd/{number}"))?;
        cgroup.put_only(program.as_fd())?;
        containers.push((Opener::start(&cgroup)?, cgroup));
    }
    let watch = Watch::start(world, tools, &above)?;
    progress("crowd, denials", 0, 1);
    let path = denied(world)?;
    let order = Order::Pace { path, times: effort.denials, ticks: effort.ticks };
    let (begin, before) = (Instant::now(), watch.cpu()?);
    for (opener, _) in &mut containers {
        opener.start_on(&order)?;
    }
    for (opener, _) in &mut containers {
        let outcome = opener.finish()?.outcome;
        ensure!(outcome == Err(nix::errno::Errno::EPERM), "it is to be denied: {outcome:?}");
    }
    let (wall, cpu) = (begin.elapsed(), watch.cpu()? - before);
    let (counts, peak_kib) = watch.end(world)?;
    let denials_each = effort.denials as u64 * u64::from(effort.ticks);
    let of = |cgroup: &Cgroup| counts.get(&cgroup.path().display().to_string()).copied();
    let is_exact = |cgroup: &Cgroup| of(cgroup) == Some(denials_each);
    Ok(Crowd {
        containers: effort.containers,
        denials_each,
        exact: containers.iter().filter(|(_, cgroup)| is_exact(cgroup)).count(),
        wall_s: wall.as_secs_f64(),
        cpu_s: cpu.as_secs_f64(),
        peak_kib,
    })
}

/// Each opener takes two descriptors.
fn more_files() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

/// What is read of a line of watch.
#[derive(Deserialize)]
struct Line {
    cgroup: String,
    count: u64,
}

/// A watch that runs; it ends when this is dropped, or with the bench's cgroups.
struct Watch(Child);

impl Watch {
    fn start(world: &World, tools: &Tools, above: &Cgroup) -> anyhow::Result<Watch> {
        let own = world.cgroup("watcher")?;
        let (lines, said) = (File::create(world.path("watched"))?, world.path("watch-said"));
        let mut command = Command::new(&tools.devgate);
        command.args(["watch", "--json"]).arg(above.path());
        let command = command.stdin(Stdio::null()).stdout(lines).stderr(File::create(&said)?);
        let watch = Watch(command.spawn().context("devgate watch")?);
        own.admit(watch.0.id())?;
        for _ in 0..500 {
            // It says so when it has begun.
            if fs::read_to_string(&said)?.contains("watches") {
                return Ok(watch);
            }
            sleep(Duration::from_millis(20));
        }
        anyhow::bail!("devgate watch does not observe: {}", fs::read_to_string(said)?)
    }

    /// CPU time of all its threads so far.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        // utime and stime, the 14th and 15th field of all (proc(5)).
        let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<_, _>>()?;
        let a_second = sysconf(SysconfVar::CLK_TCK)?.context("ticks of a second")?;
        Ok(Duration::from_secs_f64(ticks as f64 / a_second as f64))
    }

    /// Lets it read what was counted last, and ends it: the counts by cgroup, and the most memory.
    fn end(mut self, world: &World) -> anyhow::Result<(HashMap<String, u64>, u64)> {
        sleep(10 * TICK);
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.split_whitespace().next()).context("VmHWM")?;
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT)?;
        self.0.wait()?;
        let mut counts = HashMap::new();
        for line in fs::read_to_string(world.path("watched"))?.lines() {
            let Line { cgroup, count } = serde_json::from_str(line)?;
            counts.insert(cgroup, count);
        }
        Ok((counts, peak.parse()?))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
