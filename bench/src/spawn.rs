//! Running a command from spawn to exit, with as little as can be around it.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};

/// What a run took.
#[derive(Clone, Debug)]
pub struct Run {
    /// From before spawn to after wait.
    pub time: Duration,
    /// Page faults that needed no disk, those between spawn and exec included.
    pub faults: i64,
    /// How it failed, if it did.
    pub failure: Option<String>,
}

impl Run {
    /// The run, if it succeeded.
    pub fn succeeded(self) -> anyhow::Result<Run> {
        match self.failure {
            Some(failure) => bail!(failure),
            None => Ok(self),
        }
    }
}

/// Runs `command` with `stdin` read from the file. Its output goes to `log`, whose last line
/// is the failure if it fails. The standard library spawns by posix_spawn(3), which shares memory until exec.
pub fn run(command: &[&Path], stdin: &Path, log: &Path) -> anyhow::Result<Run> {
    let (program, args) = command.split_first().context("no command")?;
    let output = File::create(log)?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(File::open(stdin)?)
        .stdout(Stdio::from(output.try_clone()?))
        .stderr(Stdio::from(output));
    let before = faults()?;
    let start = Instant::now();
    let status = command.spawn().and_then(|mut child| child.wait());
    let time = start.elapsed();
    let status = status.with_context(|| format!("{}", program.display()))?;
    let failure = (!status.success()).then(|| {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        let last = said.trim().lines().last().unwrap_or_default();
        format!("{}: {status}: {last}", program.display())
    });
    Ok(Run { time, faults: faults()? - before, failure })
}

fn faults() -> nix::Result<i64> {
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.minor_page_faults())
}
