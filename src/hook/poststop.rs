//! After a container has stopped: what devgate keeps for it goes.

use std::io;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::{Rootless, in_user_namespace};
use crate::bpffs::PinDirError;
use crate::cgroup::{Cgroup, CgroupError, Process, ProcessError};
use crate::container::{ContainerId, RecordStore, StoreError};
use crate::denials::{StandingError, tidy};
use crate::errors::chain;
use crate::hold::{HoldError, PINS, Pins};
use crate::observe::ObserveError;
use crate::oci::{OciError, Stage, State};
use crate::recording::{Finished, Recorder, RecordingError};
use crate::run_dir::RunDirError;

/// How long a container waits for the removal of dead pins of others: with the one that may
/// follow, less than 0.3 ms.
const SWEEP: Duration = Duration::from_micros(250);

/// The stage that the registration names and the state's status do not agree.
#[derive(Debug, Error)]
#[error("called at {}, and the state says that the container has stopped", Stage::CreateRuntime)]
pub struct StageError;

/// The stage at which the runtime calls: `registered`, if the registration names one, otherwise
/// poststop if the state says that the container has stopped.
///
/// # Errors
/// A container that is to start has stopped.
pub fn stage(state: &State, registered: Option<Stage>) -> Result<Stage, StageError> {
    match (registered, state.is_stopped) {
        (Some(Stage::CreateRuntime), true) => Err(StageError),
        (Some(stage), _) => Ok(stage),
        (None, true) => Ok(Stage::Poststop),
        (None, false) => Ok(Stage::CreateRuntime),
    }
}

/// Why something of the container is left.
#[derive(Debug, Error)]
pub enum ReleaseError {
    /// The container runs, so this is no call at poststop.
    #[error("called at {} for a container whose process {pid} lives", Stage::Poststop)]
    Lives {
        /// The process.
        pid: i32,
    },
    /// Whether its process lives can't be told.
    #[error(transparent)]
    Process(ProcessError),
    /// The state has a process id that is none.
    #[error(transparent)]
    State(#[from] OciError),
    /// The directory of records can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// Its record can't be read or removed.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// Whether its cgroup is there can't be told.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Its pin can't be removed.
    #[error(transparent)]
    Hold(#[from] HoldError),
}

/// What became of a stopped container's pin and record.
#[derive(Debug)]
pub enum Released {
    /// Nothing of it is left.
    All {
        /// The pin that was removed.
        pin: Option<PathBuf>,
    },
    /// Another container has its id by now, or its cgroup is still there: all was left.
    InUse {
        /// The record's cgroup.
        cgroup: PathBuf,
    },
    /// In a user namespace, where devgate keeps nothing.
    Skipped {
        /// What the caller may not do.
        cause: ReleaseError,
    },
}

/// Removes the pin and the record of the container, whose process has exited and whose cgroup is
/// gone. It is no error if there is none.
///
/// # Errors
/// The container's process lives; or something is left, which `devgate gc` removes later.
pub fn release(state: &State, rootless: Rootless) -> Result<Released, ReleaseError> {
    must_have_exited(state)?;
    match release_as_root(&state.id) {
        Err(cause)
            if rootless == Rootless::Warn && in_user_namespace().is_ok_and(|inside| inside) =>
        {
            Ok(Released::Skipped { cause })
        }
        outcome => outcome,
    }
}

/// A container that starts, and that is taken for one that has stopped, must not start unlimited.
fn must_have_exited(state: &State) -> Result<(), ReleaseError> {
    let Some(pid) = state.process()? else { return Ok(()) };
    match Process::pin(pid).and_then(|process| process.must_live()) {
        Ok(()) => Err(ReleaseError::Lives { pid }),
        Err(ProcessError::Missing { .. } | ProcessError::Exited { .. }) => Ok(()),
        Err(error) => Err(ReleaseError::Process(error)),
    }
}

fn release_as_root(id: &str) -> Result<Released, ReleaseError> {
    // With another id it has no record.
    let Ok(id) = id.parse::<ContainerId>() else { return Ok(Released::All { pin: None }) };
    let Some(records) = RecordStore::existing()? else { return Ok(Released::All { pin: None }) };
    // Who starts a container with this id waits, and so is not seen half-way.
    let locked = records.lock(&id)?;
    let Some(record) = locked.as_ref() else { return Ok(Released::All { pin: None }) };
    let cgroup = record.cgroup.id;
    if Cgroup::of_id(cgroup)?.is_some() {
        return Ok(Released::InUse { cgroup: record.cgroup.path.clone() });
    }
    let pin = match Pins::existing(Path::new(PINS))? {
        Some(pins) => pins.release(cgroup)?.then(|| pins.path(cgroup)),
        None => None,
    };
    locked.remove()?;
    Ok(Released::All { pin })
}

/// Writes the recordings of containers that have ended, of this one and of those whose end nobody
/// saw. It comes before [`release`], which removes the container's record.
pub fn finish_recordings() -> Finished {
    match Recorder::existing() {
        Ok(Some(recorder)) => recorder.finish(),
        Ok(None) => Finished::default(),
        // Where devgate records nothing.
        Err(_) if in_user_namespace().is_ok_and(|inside| inside) => Finished::default(),
        // Who may not look there: `release` says so.
        Err(RecordingError::RunDir(RunDirError::Open { source, .. }))
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            Finished::default()
        }
        Err(error) => Finished { failed: vec![error], ..Finished::default() },
    }
}

/// Keeps what the containers that ended were denied, if that is observed. This is before a container's
/// record is removed, which tells whose the rows are. Says what went wrong.
pub fn keep_denials() -> Option<String> {
    let error = tidy().err().filter(|error| !is_hidden(error))?;
    Some(format!("what containers that ended were denied is not kept yet: {}", chain(&error)))
}

/// Who is in a user namespace may not see whether something is observed.
fn is_hidden(error: &StandingError) -> bool {
    let StandingError::Observe(ObserveError::Directory(PinDirError::Directory { source, .. })) =
        error
    else {
        return false;
    };
    source.kind() == io::ErrorKind::PermissionDenied
}

/// Removes a few pins of containers that ended without a poststop hook, for 0.3 ms at most. Says
/// what went wrong.
pub fn sweep_dead_pins() -> Option<String> {
    // Where the directory can't be used, nothing in it is devgate's.
    let pins = Pins::existing(Path::new(PINS)).ok().flatten()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let swept = pins.sweep_some(SWEEP, now.subsec_nanos().into());
    let error = swept.err()?;
    Some(format!("pins of containers that ended stay: {}", chain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::read_hook_call;

    #[test]
    fn a_stage_that_is_registered_is_not_told_by_the_state() {
        use Stage::{CreateRuntime, Poststop};
        let state = |status| {
            let state = format!(r#"{{"id":"c1","status":"{status}"}}"#);
            read_hook_call(state.as_bytes()).unwrap().state
        };
        for (registered, status, expected) in [
            (None, "creating", Some(CreateRuntime)),
            (None, "created", Some(CreateRuntime)),
            (None, "running", Some(CreateRuntime)),
            (None, "stopped", Some(Poststop)),
            (Some(CreateRuntime), "created", Some(CreateRuntime)),
            (Some(CreateRuntime), "stopped", None),
            (Some(Poststop), "stopped", Some(Poststop)),
            (Some(Poststop), "created", Some(Poststop)),
        ] {
            assert_eq!(stage(&state(status), registered).ok(), expected, "{registered:?} {status}");
        }
    }
}
