//! What the guard did, and what it found before.

use std::path::PathBuf;
use std::time::Duration;

use crate::container::ContainerId;
use crate::enforce::InForce;
use crate::hook::{self, Guarded};

/// Something that is worth a line in the log.
#[derive(Debug)]
pub struct Event {
    /// The container; `None` if it is about the guard's own work.
    pub container: Option<ContainerId>,
    /// Its cgroup, if that is known.
    pub cgroup: Option<PathBuf>,
    /// What was amiss.
    pub found: Vec<String>,
    /// What was done about it.
    pub done: Done,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// What was done.
#[derive(Debug)]
pub enum Done {
    /// The recorded policy is in force again.
    Restored(Box<Restored>),
    /// The config's policy is in force for a container that started without the hook.
    Adopted(Box<Restored>),
    /// It could not be done. It is tried again, and told when it fails in another way.
    Failed(String),
}

/// A policy that was put in force.
#[derive(Debug)]
pub struct Restored {
    /// The program, what gave way to it, and what holds it.
    pub in_force: InForce,
    /// Its instructions.
    pub insns: usize,
}

impl Event {
    /// The event as the log has it.
    pub fn record(&self) -> hook::Record {
        hook::Record::of_guard(Guarded {
            result: self.done.word(),
            container: self.container.as_ref().map(ContainerId::as_str),
            cgroup: self.cgroup.as_ref().map(|cgroup| cgroup.display().to_string()),
            found: self.found.clone(),
            in_force: self.done.restored().map(|restored| (&restored.in_force, restored.insns)),
            warnings: self.warnings.clone(),
            error: match &self.done {
                Done::Failed(message) => Some(message.clone()),
                _ => None,
            },
            took: self.took,
        })
    }
}

impl Done {
    /// The word for it in the log.
    pub fn word(&self) -> &'static str {
        match self {
            Done::Restored(_) => "restored",
            Done::Adopted(_) => "adopted",
            Done::Failed(_) => "failed",
        }
    }

    /// What was put in force.
    pub fn restored(&self) -> Option<&Restored> {
        match self {
            Done::Restored(restored) | Done::Adopted(restored) => Some(restored),
            Done::Failed(_) => None,
        }
    }
}
