//! The systemd unit of a container while a policy is put in force.

use std::path::Path;

use super::EnforceError;
use crate::cgroup::Cgroup;
use crate::hold::{PINS, Pins};
use crate::kernel::{Loaded, ProgId};
use crate::unit::{Change, Gate, Gating, Unit, UnitError, UnitMode};

/// The unit that was made for a container, or why it can't be told. Neither if there is none.
pub(super) struct Found<'a> {
    pub unit: Option<Unit<'a>>,
    pub failed: Option<UnitError>,
}

impl<'a> Found<'a> {
    /// The unit of the container with this id.
    ///
    /// # Errors
    /// With [`UnitMode::Require`]: it can't be told.
    pub(super) fn of(
        cgroup: &'a Cgroup,
        id: Option<&str>,
        mode: UnitMode,
    ) -> Result<Found<'a>, EnforceError> {
        let id = id.filter(|_| mode != UnitMode::No);
        match id.map_or(Ok(None), |id| Unit::of(cgroup, id)) {
            Ok(unit) => Ok(Found { unit, failed: None }),
            Err(error) if mode == UnitMode::Require => Err(EnforceError::Unit(error)),
            Err(error) => Ok(Found { unit: None, failed: Some(error) }),
        }
    }
}

/// A unit that is being changed.
pub(super) struct Gatekeeper<'a> {
    change: Option<Change<'a>>,
    failed: Option<UnitError>,
    mode: UnitMode,
}

impl<'a> Gatekeeper<'a> {
    /// Keeps systemd from attaching more programs.
    pub(super) fn new(
        unit: Option<&'a Unit<'a>>,
        failed: Option<UnitError>,
        mode: UnitMode,
    ) -> Gatekeeper<'a> {
        Gatekeeper { change: unit.map(Unit::clear_settings), failed, mode }
    }

    /// Takes off what else decides, now that `program` is attached to the container's cgroup.
    ///
    /// # Errors
    /// With [`UnitMode::Require`]: `program` does not decide alone, or may not stay alone.
    pub(super) fn take_others_off(
        &mut self,
        cgroup: &Cgroup,
        program: &Loaded,
    ) -> Result<(), EnforceError> {
        let Some(change) = &mut self.change else { return Ok(()) };
        // The link, if there is one, is about to get this program.
        let ours = [Some(program.id()), held(cgroup)];
        let gate = change.take_others_off(&ours.into_iter().flatten().collect::<Vec<_>>());
        match self.mode {
            UnitMode::Require => sole(gate),
            UnitMode::Try | UnitMode::No => Ok(()),
        }
    }

    /// The unit stays as it is now.
    pub(super) fn keep(self) -> Gating {
        match (self.change, self.failed) {
            (Some(change), _) => Gating::Unit(change.keep()),
            (None, Some(error)) => Gating::Failed(error),
            (None, None) => Gating::NoUnit,
        }
    }

    /// Restores the unit, because of this error.
    pub(super) fn undone(self, cause: EnforceError) -> EnforceError {
        match self.change.map_or(Ok(()), Change::undo) {
            Ok(()) => cause,
            Err(state) => EnforceError::UnitNotUndone { state, cause: Box::new(cause) },
        }
    }
}

fn sole(gate: &mut Gate) -> Result<(), EnforceError> {
    match gate.failure.take() {
        Some(error) => Err(EnforceError::Unit(error)),
        None if gate.others.is_empty() => Ok(()),
        None => {
            let (unit, others) = (gate.unit.clone(), std::mem::take(&mut gate.others));
            Err(EnforceError::NotSole { unit, others })
        }
    }
}

/// The program of devgate's link to the cgroup.
fn held(cgroup: &Cgroup) -> Option<ProgId> {
    let pins = Pins::open(Path::new(PINS)).ok()?;
    Some(pins.get(cgroup.id().ok()?).ok()??.program)
}
