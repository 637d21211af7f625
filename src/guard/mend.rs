//! Putting a recorded policy in force again.

use thiserror::Error;

use super::decide::{LinkWanted, Seen, Wanted, decide};
use super::event::Restored;
use super::look::{linked, look};
use super::watched::{Glance, Watched};
use crate::container::{ContainerId, Record, RecordStore, StoreError};
use crate::enforce::{EnforceError, PrepareError, enforce, prepare};
use crate::hold::{HoldError, HoldMode, PINS, Pins};
use crate::kernel::{Attached, QueryError};

/// Why a policy is not in force again.
#[derive(Debug, Error)]
pub(super) enum MendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Enforce(#[from] EnforceError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// What became of a container.
#[derive(Debug)]
pub(super) enum Mended {
    /// All is as it has to be.
    Fine,
    /// It was not, and is now.
    Restored { found: Vec<String>, restored: Box<Restored> },
    /// Another process changes the container now.
    Busy,
    /// Its cgroup or its record is gone.
    Gone,
    /// Its record is of another cgroup by now.
    Other,
}

/// Looks at a container and mends what is amiss. The record is locked meanwhile, so nobody changes
/// the container, and what is enforced is what is recorded.
pub(super) fn mend(
    records: &RecordStore,
    id: &ContainerId,
    watched: &mut Watched,
) -> Result<Mended, MendError> {
    let Some(mut locked) = records.try_lock(id)? else { return Ok(Mended::Busy) };
    let Some(record) = &*locked else { return Ok(Mended::Gone) };
    if record.cgroup.id != watched.cgroup_id {
        return Ok(Mended::Other);
    }
    let outcome = mend_recorded(record, watched);
    let pin = match &outcome {
        Ok(Mended::Restored { restored, .. }) => restored.in_force.holding.pin(),
        // Removed in the middle of it.
        Err(_) if watched.glance() == Glance::Gone => return Ok(Mended::Gone),
        _ => None,
    };
    // A link that could not be made at first.
    if pin.is_some() && pin != record.pin.as_deref() {
        let record = Record { pin: pin.map(ToOwned::to_owned), ..record.clone() };
        locked.put(record)?;
    }
    outcome
}

fn mend_recorded(record: &Record, watched: &mut Watched) -> Result<Mended, MendError> {
    let (attached, seen) = look_at(record, watched)?;
    let wanted = Wanted { link: link_wanted(record), stale: record.stale };
    let findings = decide(&seen, wanted);
    if findings.is_empty() {
        watched.ours = seen.policys();
        watched.settled = Some(attached);
        return Ok(Mended::Fine);
    }
    let found = findings.iter().map(ToString::to_string).collect();
    let prepared = prepare(record.policy())?;
    let insns = prepared.verified.program().insns().len();
    let (id, options) = (record.id.as_str(), record.enforce_options());
    let in_force = enforce(&watched.cgroup, Some(id), &prepared.verified, options)?;
    watched.ours = Some(in_force.outcome.id);
    // What is there now is left as it is until it changes: a program that can't be taken off, say.
    let (attached, seen) = look_at(record, watched)?;
    let stays = seen.policys() == watched.ours;
    watched.settled = stays.then_some(attached);
    Ok(Mended::Restored { found, restored: Box::new(Restored { in_force, insns }) })
}

fn look_at(record: &Record, watched: &mut Watched) -> Result<(Vec<Attached>, Seen), MendError> {
    let pins = Pins::open(PINS.as_ref()).ok();
    let link = linked(pins.as_ref(), watched.cgroup_id)?;
    watched.has_pin = link.is_some();
    Ok(look(watched.cgroups(), link, &record.policy(), watched.ours)?)
}

fn link_wanted(record: &Record) -> LinkWanted {
    match (record.hold, &record.pin) {
        (HoldMode::No, _) => LinkWanted::No,
        (_, Some(_)) => LinkWanted::Yes,
        (_, None) => LinkWanted::Maybe,
    }
}
