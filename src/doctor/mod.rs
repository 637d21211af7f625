//! What the hook and the tools depend on: findings about this machine, each with its remedy.
//!
//! Whatever can be tried is tried, and nothing is made that outlasts it. Each group reads or tries
//! in `findings`, and judges in functions of what was read; so what other machines say can be put
//! to these. What can't be read or tried is found to be so, and never guessed.
//!
//! A group more is a variant of [`Group`] with its row in each `match` here, and a file.

mod cgroup;
mod daemon;
mod engines;
mod guard;
mod kernel;
mod observe;
mod privileges;
mod prove;
mod release;
mod security;

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::errors::chain;
use crate::install::{Engine, Root};

pub use prove::probe;

/// The remedy where this process had no right to try or to read something.
const AS_ROOT: &str = "run devgate doctor as root, outside of containers";

/// How much a finding matters, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// The hook is registered as it should be; that it runs is not seen.
    Registered,
    /// devgate works with a weaker guarantee, something is a risk, or it can't be told.
    Degraded,
    /// The hook fails.
    Broken,
}

impl Level {
    /// The word for it: `ok`, `registered`, `degraded` or `broken`.
    pub const fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Registered => "registered",
            Level::Degraded => "degraded",
            Level::Broken => "broken",
        }
    }

    /// The worst level of all; without a finding nothing is wrong.
    pub fn worst(findings: &[Finding]) -> Level {
        findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }
}

/// What findings are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Its release, and what its bpf(2) can do.
    Kernel,
    /// What this process may do.
    Privileges,
    /// Where cgroup2 is.
    Cgroup,
    /// What else has a say about BPF programs.
    Security,
    /// Which there are, and whether they run the hook.
    Engines,
    /// Whether one runs.
    Guard,
    /// Whether denials are counted.
    Observe,
}

impl Group {
    /// Every group, in the order of a report.
    pub const ALL: [Group; 7] = [
        Group::Kernel,
        Group::Privileges,
        Group::Cgroup,
        Group::Security,
        Group::Engines,
        Group::Guard,
        Group::Observe,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Kernel => "kernel",
            Group::Privileges => "privileges",
            Group::Cgroup => "cgroup",
            Group::Security => "security",
            Group::Engines => "engines",
            Group::Guard => "guard",
            Group::Observe => "observe",
        }
    }

    fn findings(self, scope: &Scope) -> Vec<Finding> {
        match self {
            Group::Kernel => kernel::findings(),
            Group::Privileges => privileges::findings(),
            Group::Cgroup => cgroup::findings(),
            Group::Security => security::findings(),
            Group::Engines => engines::findings(scope),
            Group::Guard => guard::findings(),
            Group::Observe => observe::findings(),
        }
    }

    fn ok(self, check: &'static str, found: impl Into<String>) -> Finding {
        Finding { group: self, check, level: Level::Ok, found: found.into(), remedy: None }
    }

    fn registered(self, check: &'static str, found: impl Into<String>) -> Finding {
        Finding { level: Level::Registered, ..self.ok(check, found) }
    }

    fn degraded(
        self,
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        self.ok(check, found).amiss(Level::Degraded, remedy)
    }

    fn broken(
        self,
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        self.ok(check, found).amiss(Level::Broken, remedy)
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The group of the check.
    pub group: Group,
    /// The check's name within the group.
    pub check: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What is there, in one line if no name in it has another.
    pub found: String,
    /// What to do about it; always there from [`Level::Degraded`] on.
    pub remedy: Option<String>,
}

impl Finding {
    fn amiss(self, level: Level, remedy: impl Into<String>) -> Finding {
        Finding { level, remedy: Some(remedy.into()), ..self }
    }
}

/// Whose engines, and which.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The machine.
    pub root: Root,
    /// Those that are looked for.
    pub engines: Vec<Engine>,
    /// Those through which a container is started, to see whether the hook runs for it.
    pub prove: Vec<Engine>,
    /// Set once the operator wants it to end: then what was started is removed.
    pub interrupted: Arc<AtomicBool>,
}

impl Scope {
    /// Looks for these engines, and starts nothing.
    pub fn new(root: Root, engines: Vec<Engine>) -> Scope {
        Scope { root, engines, prove: Vec::new(), interrupted: Arc::default() }
    }

    /// The same, for what must be done to its end.
    fn uninterrupted(&self) -> Scope {
        Scope { interrupted: Arc::default(), ..self.clone() }
    }
}

/// Examines this machine, as this process sees it, and the engines of a machine.
pub fn diagnose(groups: &[Group], scope: &Scope) -> Vec<Finding> {
    groups.iter().flat_map(|group| group.findings(scope)).collect()
}

/// A file of one short line.
fn line(path: &str) -> io::Result<String> {
    fs::read_to_string(path).map(|text| text.trim().to_owned())
}

fn unreadable(path: &str, error: &io::Error) -> String {
    format!("not known: {path} can't be read ({error})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_counts() {
        let (ok, degraded, broken) = (
            Group::Kernel.ok("a", "x"),
            Group::Cgroup.degraded("b", "x", "y"),
            Group::Security.broken("c", "x", "y"),
        );
        assert_eq!(Level::worst(&[]), Level::Ok);
        assert_eq!(Level::worst(&[ok.clone(), ok.clone()]), Level::Ok);
        assert_eq!(Level::worst(&[degraded.clone(), ok.clone()]), Level::Degraded);
        assert_eq!(Level::worst(&[ok, broken, degraded]), Level::Broken);
    }

    #[test]
    fn causes_are_told() {
        let cause = io::Error::other("no such thing");
        let error = crate::cgroup::CgroupError::Mounts(cause);
        assert_eq!(chain(&error), "/proc/self/mountinfo can't be read: no such thing");
    }
}
