//! The record of a container that starts.

use std::error::Error;
use std::path::PathBuf;

use thiserror::Error as ThisError;

use crate::cgroup::{Cgroup, CgroupError};
use crate::change::{KeptGrants, kept_grants};
use crate::container::{
    CgroupRef, ContainerId, History, IdError, Init, Record, RecordStore, StartError, User, Version,
    cgroup_exists,
};
use crate::enforce::{EnforceOptions, InForce};
use crate::errors::chain;
use crate::oci::{State, read_root};
use crate::policy::{DefaultDevices, Rule};
use crate::run_dir::{RunDir, RunDirError};

/// Why a container has no record. Its policy is in force all the same.
#[derive(Debug, ThisError)]
pub enum RecordError {
    /// Its id can't be a file's name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// Its cgroup's id can't be read.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The directory of records can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The record can't be written.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Another container runs in this cgroup, which has one policy: that of the later one.
    #[error("container {other} has a record and runs in the same cgroup {}", cgroup.display())]
    Shared {
        /// The other container.
        other: ContainerId,
        /// The cgroup.
        cgroup: PathBuf,
    },
}

/// Whether the container's process has its root directory yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// Its runtime waits for the createRuntime hooks, and changes the root after them.
    Ahead,
    /// The container runs.
    Entered,
}

/// A container that starts.
pub(super) struct Started<'s> {
    pub state: &'s State,
    pub pid: i32,
    pub config: Vec<Rule>,
    pub default_devices: DefaultDevices,
    pub kept: KeptGrants,
}

/// Writes what is in force for the container.
pub(super) fn record(
    started: Started<'_>,
    options: EnforceOptions,
    cgroup: &Cgroup,
    in_force: &InForce,
) -> Result<(), RecordError> {
    let Started { state, pid, config, default_devices, kept } = started;
    let id: ContainerId = state.id.parse()?;
    let record = &Record {
        version: Version,
        id,
        cgroup: CgroupRef { path: cgroup.path().to_owned(), id: cgroup.id()? },
        bundle: state.bundle.clone(),
        pid,
        rules: config,
        default_devices,
        stale: options.attach.stale,
        override_ancestor: options.attach.override_ancestor,
        retval_programs: options.attach.retval,
        hold: options.hold,
        unit: options.unit,
        pin: in_force.holding.pin().map(ToOwned::to_owned),
        grants: Vec::new(),
        history: History::default(),
    };
    let record = kept.add_to(record, User::current);
    let records = RecordStore::records(&RunDir::open()?)?;
    // Only where there was a link is it worth the time to look at every record.
    if in_force.holding.before().is_some()
        && let Some(other) =
            records.other_of_cgroup(cgroup.id()?, &record.id).map_err(StartError::from)?
    {
        return Err(RecordError::Shared { other, cgroup: cgroup.path().to_owned() });
    }
    records.start(record, cgroup_exists)?;
    Ok(())
}

/// What is kept for the container. If that can't be read, nothing of it applies: less is allowed
/// then, and the container starts.
pub(super) fn kept(state: &State) -> KeptGrants {
    let Ok(id) = state.id.parse() else { return KeptGrants::default() };
    kept_grants(&id).unwrap_or_else(|error| KeptGrants {
        warnings: vec![format!("kept grants do not apply: {}", chain(&error))],
        ..KeptGrants::default()
    })
}

/// Makes the nodes of what is kept, in the /dev that the container will have or has.
pub(super) fn make_nodes(kept: &mut KeptGrants, state: &State, pid: i32, root: Root) {
    if !kept.have_nodes() {
        return;
    }
    let init = || -> Result<Init, Box<dyn Error>> {
        let init = Init::pin(pid)?;
        if root == Root::Entered {
            return Ok(init);
        }
        let bundle = state.bundle.as_deref().ok_or("the state names no bundle")?;
        Ok(init.before_pivot(read_root(bundle)?))
    };
    match init() {
        Ok(init) => kept.make_nodes(&init),
        Err(error) => {
            kept.warnings.push(format!("nodes of kept grants: {}", chain(error.as_ref())));
        }
    }
}
