//! What `devgate guard` costs while nothing happens: cgroups as the hook leaves them, each with a
//! record, a program and its link.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::json;

use crate::cgroup::Cgroup;
use crate::opener::Opener;
use crate::policy::Policy;
use crate::progress;
use crate::spawn::run;
use crate::tools::{Tools, write_config};
use crate::world::World;

const RECORDS: &str = "/run/devgate/containers";

/// The guard's CPU time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Guard {
    /// How many containers it watches.
    pub containers: usize,
    /// Milliseconds of CPU until it has looked at all of them once, its start included.
    pub start_ms: f64,
    /// Seconds that passed.
    pub wall_s: f64,
    /// Seconds of CPU that it used then.
    pub cpu_s: f64,
}

impl Guard {
    /// The part of one CPU that it takes.
    pub fn percent(&self) -> f64 {
        100.0 * self.cpu_s / self.wall_s
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effort {
    /// Containers.
    pub containers: usize,
    /// Seconds.
    pub seconds: u64,
}

/// Has a guard watch as many containers for so long.
pub fn measure(world: &World, tools: &Tools, effort: Effort) -> anyhow::Result<Guard> {
    let Effort { containers, seconds } = effort;
    // The guard is not to mend what the sections before did to containers of theirs.
    fs::remove_dir_all(RECORDS).context(RECORDS)?;
    let first = world.cgroup("guard-first")?;
    let process = Opener::start(&first)?;
    let bundle = write_config(world, "guard", &Policy::podman())?;
    for number in 0..containers {
        progress("guard, containers", number, containers);
        let cgroup = world.cgroup(&format!("guard-{number}"))?;
        container(world, tools, &bundle, &cgroup, number, process.pid())?;
    }
    let (guard, lines) = Running::start(tools, containers)?;
    // The first look is at every program; it is over when a second one may be.
    sleep(Duration::from_millis(2_500));
    let (start, begin) = (guard.cpu()?, Instant::now());
    for second in 0..seconds {
        progress("guard, seconds", second as usize, seconds as usize);
        sleep(Duration::from_secs(1));
    }
    let (end, wall) = (guard.cpu()?, begin.elapsed());
    drop(guard);
    let said: Vec<String> = lines.lines().collect::<Result<_, _>>()?;
    ensure!(said.is_empty(), "the guard found something: {}", said[0]);
    Ok(Guard {
        containers,
        start_ms: start.as_secs_f64() * 1e3,
        wall_s: wall.as_secs_f64(),
        cpu_s: end.saturating_sub(start).as_secs_f64(),
    })
}

/// A container that the hook has let in. One process visits all cgroups.
fn container(
    world: &World,
    tools: &Tools,
    bundle: &Path,
    cgroup: &Cgroup,
    number: usize,
    pid: u32,
) -> anyhow::Result<()> {
    cgroup.admit(pid)?;
    let state = world.path("guard.state");
    let document = json!({"id": format!("guard-{number}"), "pid": pid, "bundle": bundle});
    fs::write(&state, document.to_string())?;
    let hook = [tools.devgate.as_path(), "hook".as_ref(), "--hold".as_ref(), "require".as_ref()];
    let failure = run(&hook, &state, &world.path("log"))?.failure;
    ensure!(failure.is_none(), "the hook: {failure:?}");
    let programs = cgroup.programs()?;
    ensure!(programs.len() == 2, "a program and its link: {programs:?}");
    Ok(())
}

/// A guard that runs; it ends when this is dropped.
struct Running(Child);

impl Running {
    /// The guard, and what it will write.
    fn start(tools: &Tools, containers: usize) -> anyhow::Result<(Running, impl BufRead)> {
        let mut command = Command::new(&tools.devgate);
        let child = command.arg("guard").stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut running = Running(child.context("devgate guard")?);
        let stderr = running.0.stderr.take().context("standard error is a pipe")?;
        let mut lines = BufReader::new(stderr);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        ensure!(line == format!("devgate: guards {containers} containers\n"), "it says: {line}");
        Ok((running, lines))
    }

    /// CPU time so far: the first number of /proc/PID/schedstat, in nanoseconds.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/schedstat", self.0.id());
        let text = fs::read_to_string(&path).context(path)?;
        let first = text.split(' ').next().unwrap_or_default();
        Ok(Duration::from_nanos(first.parse()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
