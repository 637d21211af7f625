//! Pins, records and recordings that outlived their containers, because nothing saw these end: the runtime was
//! killed, say, or the registration has no poststop hook.

use std::cell::RefCell;
use std::path::Path;

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError};
use crate::container::{ContainerId, RecordStore, StoreError};
use crate::denials::{self, Moved, StandingError};
use crate::hold::{HoldError, PINS, Pins};
use crate::recording::{Finished, Recorder, RecordingError, RecordingName};
use crate::run_dir::RunDirError;

/// What is done to what is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is removed.
    Remove,
    /// It is only found.
    DryRun,
}

/// Why something can't be found or removed.
#[derive(Debug, Error)]
pub enum GcError {
    /// The directory of records can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A record can't be read or removed.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// Whether a record's cgroup is there can't be told.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The directory of pins can't be used, or a pin can't be read or removed.
    #[error(transparent)]
    Pin(#[from] HoldError),
    /// A recording can't be written.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// What ended containers were denied can't be moved.
    #[error(transparent)]
    Denials(#[from] StandingError),
}

/// What was found of one kind, by its names.
#[derive(Debug)]
pub struct Found<T> {
    /// What is dead. Unless it was a dry run, it is removed.
    pub dead: Vec<T>,
    /// How many others there are, which live.
    pub in_use: usize,
    /// What stays though it may be dead.
    pub failed: Vec<GcError>,
}

impl<T> Default for Found<T> {
    fn default() -> Found<T> {
        Found { dead: Vec::new(), in_use: 0, failed: Vec::new() }
    }
}

/// The pins whose cgroup is gone, by its id. What is not a link of devgate's is left, and counts
/// as in use.
pub fn pins(mode: Mode) -> Found<u64> {
    let listed = Pins::existing(Path::new(PINS)).and_then(|pins| match pins {
        Some(pins) => Ok(Some((pins.ids()?, pins))),
        None => Ok(None),
    });
    let mut found = Found::default();
    let (ids, pins) = match listed {
        Ok(Some(listed)) => listed,
        Ok(None) => return found,
        Err(error) => return Found { failed: vec![error.into()], ..found },
    };
    for id in ids {
        let dead = match mode {
            Mode::Remove => pins.remove_dead(id),
            Mode::DryRun => pins.is_dead(id),
        };
        match dead {
            Ok(true) => found.dead.push(id),
            Ok(false) => found.in_use += 1,
            Err(error) => found.failed.push(error.into()),
        }
    }
    found
}

/// The recordings of containers whose cgroup is gone, once for each container. They are written, and
/// what was in the kernel for them is removed. It comes before [`records`]: a kernel that does not
/// tell verdicts leaves them to the container's record.
pub fn recordings(mode: Mode) -> Found<RecordingName> {
    let found = || -> Result<_, GcError> {
        let Some(recorder) = Recorder::existing()? else { return Ok(Found::default()) };
        let mut dead = Vec::new();
        let mut in_use = 0;
        for ongoing in recorder.ongoing()? {
            match Cgroup::of_id(ongoing.cgroup.id)? {
                Some(_) => in_use += 1,
                None => dead.push(ongoing.name),
            }
        }
        let finished = match mode {
            Mode::Remove => recorder.finish(),
            Mode::DryRun => Finished { written: dead, failed: Vec::new() },
        };
        let failed = finished.failed.into_iter().map(GcError::from).collect();
        Ok(Found { dead: finished.written, in_use, failed })
    };
    found().unwrap_or_else(|error| Found { failed: vec![error], ..Found::default() })
}

/// Moves what containers that ended were denied out of the observer's maps, before their records are
/// removed: these tell which containers they were. `None` if nothing is observed.
///
/// # Errors
/// Something stays there.
pub fn denials(mode: Mode) -> Result<Option<Moved>, GcError> {
    Ok(match mode {
        Mode::Remove => denials::tidy()?,
        Mode::DryRun => denials::dead()?,
    })
}

/// The records whose cgroup is gone, by their containers' ids. One that somebody is changing
/// counts as in use.
pub fn records(mode: Mode) -> Found<ContainerId> {
    found_records(mode).unwrap_or_else(|error| Found { failed: vec![error], ..Found::default() })
}

fn found_records(mode: Mode) -> Result<Found<ContainerId>, GcError> {
    let Some(records) = RecordStore::existing()? else { return Ok(Found::default()) };
    let untold = RefCell::new(Vec::new());
    let is_there = |id| match Cgroup::of_id(id) {
        Ok(cgroup) => cgroup.is_some(),
        Err(error) => {
            untold.borrow_mut().push(GcError::from(error));
            true
        }
    };
    let count = records.ids()?.len();
    let swept = match mode {
        Mode::Remove => records.sweep(is_there)?,
        Mode::DryRun => records.dead(is_there)?,
    };
    let mut failed = untold.into_inner();
    let in_use = count.saturating_sub(swept.removed.len() + swept.failed.len() + failed.len());
    failed.extend(swept.failed.into_iter().map(GcError::from));
    Ok(Found { dead: swept.removed, in_use, failed })
}
