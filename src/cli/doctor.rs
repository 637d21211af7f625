//! `devgate doctor`.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use devgate::doctor::{Finding, Group, Level, Scope, diagnose, probe};
use devgate::install::{Engine, Root};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::colour::{self, Tone};
use super::modes::EngineName;
use super::{Exit, describe};

#[derive(Debug, Args)]
pub struct Doctor {
    /// Only these groups of checks
    #[arg(value_name = "GROUP")]
    pub groups: Vec<CheckGroup>,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
    /// Look for the engines of the machine whose / is here
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub prefix: PathBuf,
    /// Look for these engines alone
    #[arg(long, value_name = "ENGINE", value_delimiter = ',',
          default_values = ["podman", "crio", "nri", "containerd", "cdi"])]
    pub among: Vec<EngineName>,
    /// Start a tiny container through these engines, to see whether the hook runs for it: by
    /// podman without an image, over CRI by crictl with an image that the node has
    #[arg(long, value_name = "ENGINE", value_delimiter = ',',
          conflicts_with_all = ["watch", "prefix"])]
    pub prove: Vec<EngineName>,
    /// What such a container runs
    #[arg(long, hide = true, exclusive = true)]
    pub probe: bool,
    /// Go on, and print the findings again when they change; looks every 60 seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
          default_missing_value = "60", value_parser = clap::value_parser!(u16).range(1..))]
    pub watch: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckGroup {
    /// Its release, and what its bpf(2) can do
    Kernel,
    /// What this process may do
    Privileges,
    /// Where cgroup2 is
    Cgroup,
    /// What else has a say about BPF programs
    Security,
    /// Which there are, and whether they run the hook
    Engines,
    /// Whether one runs
    Guard,
    /// Whether what containers are denied is counted
    Observe,
}

impl From<CheckGroup> for Group {
    fn from(group: CheckGroup) -> Group {
        match group {
            CheckGroup::Kernel => Group::Kernel,
            CheckGroup::Privileges => Group::Privileges,
            CheckGroup::Cgroup => Group::Cgroup,
            CheckGroup::Security => Group::Security,
            CheckGroup::Engines => Group::Engines,
            CheckGroup::Guard => Group::Guard,
            CheckGroup::Observe => Group::Observe,
        }
    }
}

/// The schema is in the README; keys are only ever added.
#[derive(Serialize)]
struct Report<'f> {
    level: &'static str,
    findings: Vec<Entry<'f>>,
}

#[derive(Serialize)]
struct Entry<'f> {
    group: &'static str,
    check: &'static str,
    level: &'static str,
    found: &'f str,
    remedy: Option<&'f str>,
}

pub fn run(doctor: &Doctor, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    if doctor.probe {
        probe()?;
        return Ok(Exit::Success);
    }
    if let Some(seconds) = doctor.watch {
        return watch(doctor, seconds);
    }
    let findings = doctor.findings()?;
    doctor.print(out, &findings)?;
    Ok(match Level::worst(&findings) {
        Level::Ok | Level::Registered => Exit::Success,
        Level::Degraded => Exit::Degraded,
        Level::Broken => Exit::Failure,
    })
}

/// Until it is told to end: as the first process of a container it has to listen for that.
fn watch(doctor: &Doctor, seconds: u16) -> anyhow::Result<Exit> {
    let mut ends = SigSet::empty();
    ends.extend([Signal::SIGTERM, Signal::SIGINT]);
    ends.thread_block()?;
    let signal = SignalFd::with_flags(&ends, SfdFlags::SFD_CLOEXEC)?;
    let timeout = PollTimeout::try_from(Duration::from_secs(seconds.into()))?;
    let mut before = Vec::new();
    loop {
        let mut now = Vec::new();
        doctor.print(&mut now, &doctor.findings()?)?;
        if now != before {
            io::stdout().write_all(&now)?;
            io::stdout().flush()?;
            before = now;
        }
        let mut told = [PollFd::new(signal.as_fd(), PollFlags::POLLIN)];
        if poll(&mut told, timeout)? > 0 {
            return Ok(Exit::Success);
        }
    }
}

impl Doctor {
    fn findings(&self) -> anyhow::Result<Vec<Finding>> {
        let engines = |names: &[EngineName]| names.iter().map(|name| Engine::from(*name)).collect();
        let mut scope = Scope::new(Root::new(&self.prefix)?, engines(&self.among));
        scope.prove = engines(&self.prove);
        scope.engines.extend(scope.prove.iter().filter(|engine| !self.is_among(**engine)));
        if !scope.prove.is_empty() {
            for signal in [SIGINT, SIGTERM, SIGHUP] {
                flag::register(signal, Arc::clone(&scope.interrupted))?;
            }
        }
        Ok(diagnose(&self.groups(), &scope))
    }

    fn print(&self, out: &mut Vec<u8>, findings: &[Finding]) -> anyhow::Result<()> {
        if !self.json {
            return lines(out, findings);
        }
        serde_json::to_writer(&mut *out, &report(findings))?;
        Ok(writeln!(out)?)
    }

    fn is_among(&self, engine: Engine) -> bool {
        self.among.iter().any(|name| Engine::from(*name) == engine)
    }

    /// Each group that was asked for, once; all if none was.
    fn groups(&self) -> Vec<Group> {
        let asked: Vec<Group> = self.groups.iter().map(|group| Group::from(*group)).collect();
        let wanted = |group: &Group| {
            let is_for_proof = *group == Group::Engines && !self.prove.is_empty();
            asked.is_empty() || asked.contains(group) || is_for_proof
        };
        Group::ALL.into_iter().filter(wanted).collect()
    }
}

fn report(findings: &[Finding]) -> Report<'_> {
    Report { level: Level::worst(findings).word(), findings: findings.iter().map(entry).collect() }
}

fn entry(finding: &Finding) -> Entry<'_> {
    Entry {
        group: finding.group.name(),
        check: finding.check,
        level: finding.level.word(),
        found: &finding.found,
        remedy: finding.remedy.as_deref(),
    }
}

/// One line a finding: level, group and check, what was found, and behind a semicolon the remedy.
fn lines(out: &mut Vec<u8>, findings: &[Finding]) -> anyhow::Result<()> {
    let name = |finding: &Finding| format!("{}/{}", finding.group.name(), finding.check);
    let width = findings.iter().map(|finding| name(finding).len()).max().unwrap_or_default();
    for finding in findings {
        let level = colour::paint(tone(finding.level), &format!("{:10}", finding.level.word()));
        let found = describe::escaped(&finding.found);
        write!(out, "{level}  {:width$}  {found}", name(finding))?;
        match &finding.remedy {
            Some(remedy) => writeln!(out, "; {}", describe::escaped(remedy))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Ok | Level::Registered => Tone::Good,
        Level::Degraded => Tone::Doubtful,
        Level::Broken => Tone::Bad,
    }
}
