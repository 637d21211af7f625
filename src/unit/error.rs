//! Why devgate's policy is not the only gate of a unit, or may not stay that.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

use super::bus::WAIT;
use crate::cgroup::CgroupError;
use crate::errors::chain;
use crate::kernel::{ProgId, QueryError};

/// Why a unit is left as it is.
#[derive(Debug, Error)]
pub enum UnitError {
    /// A cgroup of the unit can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// What is attached to a cgroup of the unit can't be listed.
    #[error("cgroup {}", cgroup.display())]
    Query {
        /// The cgroup.
        cgroup: PathBuf,
        /// Why.
        source: QueryError,
    },
    /// The processes of a cgroup of the unit can't be listed.
    #[error("the processes of cgroup {} can't be listed", cgroup.display())]
    Processes {
        /// The cgroup.
        cgroup: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are processes in the unit that are not the container's.
    #[error(
        "unit {unit} is left as it is: cgroup {} has processes that are not the container's",
        cgroup.display()
    )]
    Shared {
        /// The unit.
        unit: String,
        /// The cgroup of those processes.
        cgroup: PathBuf,
    },
    /// There is no system bus, or it does not let devgate in.
    #[error("the D-Bus system bus, which leads to systemd, can't be used")]
    Connect(#[source] Box<zbus::Error>),
    /// It took too long to answer.
    #[error("systemd did not answer within {} s", WAIT.as_secs())]
    Silent,
    /// This process can't wait for an answer.
    #[error("the answer of systemd can't be waited for")]
    Runtime(#[source] io::Error),
    /// systemd refused, or answered something else.
    #[error("systemd: {call} of unit {unit}")]
    Call {
        /// The unit.
        unit: String,
        /// What it was asked for.
        call: &'static str,
        /// What it said.
        source: Box<zbus::Error>,
    },
    /// systemd's unit of this name is another one. Some container runs a systemd of its own.
    #[error(
        "unit {unit} is not of this machine's systemd: the container's is cgroup {}, and systemd's \
         {}",
        cgroup.display(),
        if theirs.is_empty() { "has none".to_owned() } else { format!("is {theirs}") }
    )]
    NotItsUnit {
        /// The unit.
        unit: String,
        /// The cgroup of the container's unit.
        cgroup: PathBuf,
        /// The cgroup of systemd's unit of this name.
        theirs: String,
    },
    /// The unit has a file: no runtime made it for the container.
    #[error(
        "unit {unit} is left as it is: it comes from a unit file, so its DevicePolicy= is \
         somebody's choice"
    )]
    NotTransient {
        /// The unit.
        unit: String,
    },
    /// The drop-in that keeps a BPFProgram= from coming back can't be written.
    #[error("{} can't be written", path.display())]
    DropIn {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A unit is not as it was before.
#[derive(Debug, Error)]
#[error("unit {unit} is not as it was: {}", list(failed))]
pub struct NotRestored {
    /// The unit.
    pub unit: String,
    /// What is missing.
    pub failed: Vec<Missing>,
}

fn list(failed: &[Missing]) -> String {
    let texts: Vec<String> = failed.iter().map(|missing| chain(missing)).collect();
    texts.join("; ")
}

/// What of a unit was not restored.
#[derive(Debug, Error)]
pub enum Missing {
    /// Its settings.
    #[error("DevicePolicy= and DeviceAllow= were not set again")]
    Settings(#[source] UnitError),
    /// A program.
    #[error("program {id} is not attached to cgroup {} any more", cgroup.display())]
    Program {
        /// The program.
        id: ProgId,
        /// The cgroup.
        cgroup: PathBuf,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// A drop-in that was to be removed.
    #[error("{} is still there", path.display())]
    DropIn {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
