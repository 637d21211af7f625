//! The record of a container that starts.

use thiserror::Error;

use super::ContainerRules;
use crate::cgroup::{Cgroup, CgroupError};
use crate::container::{
    CgroupRef, ContainerId, History, IdError, Record, RecordStore, StartError, Version,
    cgroup_exists,
};
use crate::enforce::{EnforceOptions, InForce};
use crate::oci::State;
use crate::run_dir::{RunDir, RunDirError};

/// Why a container has no record. Its policy is in force all the same.
#[derive(Debug, Error)]
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
}

/// Writes what is in force for the container.
pub(super) fn record(
    state: &State,
    pid: i32,
    rules: ContainerRules,
    options: EnforceOptions,
    cgroup: &Cgroup,
    in_force: &InForce,
) -> Result<(), RecordError> {
    let id: ContainerId = state.id.parse()?;
    let record = Record {
        version: Version,
        id,
        cgroup: CgroupRef { path: cgroup.path().to_owned(), id: cgroup.id()? },
        bundle: state.bundle.clone(),
        pid,
        rules: rules.config,
        default_devices: rules.default_devices,
        stale: options.attach.stale,
        override_ancestor: options.attach.override_ancestor,
        retval_programs: options.attach.retval,
        hold: options.hold,
        unit: options.unit,
        pin: in_force.holding.pin().map(ToOwned::to_owned),
        grants: Vec::new(),
        history: History::default(),
    };
    RecordStore::records(&RunDir::open()?)?.start(record, cgroup_exists)?;
    Ok(())
}
