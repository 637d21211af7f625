//! `devgate doctor`.

use std::io::Write;

use clap::{Args, ValueEnum};
use devgate::doctor::{Finding, Group, Level, diagnose};
use serde::Serialize;

use super::colour::{self, Tone};
use super::{Exit, describe};

#[derive(Debug, Args)]
pub struct Doctor {
    /// Only these groups of checks
    #[arg(value_name = "GROUP")]
    pub groups: Vec<CheckGroup>,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
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
}

impl From<CheckGroup> for Group {
    fn from(group: CheckGroup) -> Group {
        match group {
            CheckGroup::Kernel => Group::Kernel,
            CheckGroup::Privileges => Group::Privileges,
            CheckGroup::Cgroup => Group::Cgroup,
            CheckGroup::Security => Group::Security,
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
    let findings = diagnose(&doctor.groups());
    if doctor.json {
        serde_json::to_writer(&mut *out, &report(&findings))?;
        writeln!(out)?;
    } else {
        lines(out, &findings)?;
    }
    Ok(match Level::worst(&findings) {
        Level::Ok => Exit::Success,
        Level::Degraded => Exit::Degraded,
        Level::Broken => Exit::Failure,
    })
}

impl Doctor {
    /// Each group that was asked for, once; all if none was.
    fn groups(&self) -> Vec<Group> {
        let asked: Vec<Group> = self.groups.iter().map(|group| Group::from(*group)).collect();
        let wanted = |group: &Group| asked.is_empty() || asked.contains(group);
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
        let level = colour::paint(tone(finding.level), &format!("{:8}", finding.level.word()));
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
        Level::Ok => Tone::Good,
        Level::Degraded => Tone::Doubtful,
        Level::Broken => Tone::Bad,
    }
}
