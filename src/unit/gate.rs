//! Making devgate's program the only one that decides in a unit.

use std::os::fd::AsFd;
use std::path::PathBuf;

use super::Unit;
use super::bus::{Systemd, with_systemd};
use super::drop_in::{DropIn, is_device};
use super::error::{NotUndone, UnitError};
use super::look::{Other, others, others_on};
use super::settings::{DeviceSettings, Loaded};
use crate::cgroup::Cgroup;
use crate::kernel::{ProgId, TakenOff, take_off};

/// Who decides in a unit.
#[derive(Debug)]
pub struct Gate {
    /// The unit's name.
    pub unit: String,
    /// Programs that were taken off the cgroups of the unit above the container's own.
    pub detached: Vec<(PathBuf, ProgId)>,
    /// Why the unit was left as it is, so that systemd may add a program at any time.
    pub failure: Option<UnitError>,
    /// Other programs, seen attached to the unit's cgroups after all that.
    pub others: Vec<Other>,
}

impl Gate {
    /// Whether devgate's program decides alone, and systemd adds no other.
    pub fn is_sole(&self) -> bool {
        self.failure.is_none() && self.others.is_empty()
    }
}

/// A unit that was changed. What it was before is remembered, to be restored.
#[must_use = "it is to be kept or undone"]
#[derive(Debug)]
pub struct Change<'a> {
    unit: &'a Unit<'a>,
    before: Option<DeviceSettings>,
    drop_in: Option<DropIn>,
    taken: Vec<(&'a Cgroup, TakenOff)>,
    gate: Gate,
}

impl<'a> Unit<'a> {
    /// Makes `ours`, a program that is attached to the container's cgroup, the only one that
    /// decides in the unit, and looks who does. The unit loses its DevicePolicy=, DeviceAllow= and
    /// BPFProgram= for devices, so that systemd adds no program at a daemon-reload or an update;
    /// then the programs of its cgroups above the container's own are taken off. Programs of the
    /// container's own cgroup are left: they are [`crate::kernel::DirectAttach`]'s.
    pub fn make_sole_gate(&'a self, ours: ProgId) -> Change<'a> {
        let gate = Gate {
            unit: self.name.clone(),
            detached: Vec::new(),
            failure: None,
            others: Vec::new(),
        };
        let mut change =
            Change { unit: self, before: None, drop_in: None, taken: Vec::new(), gate };
        if let Err(error) = change.make(ours) {
            change.gate.failure = Some(error);
        }
        change
    }

    /// The other programs than `ours` that are attached to the unit's cgroups now.
    ///
    /// # Errors
    /// They can't be listed.
    pub fn others(&self, ours: ProgId) -> Result<Vec<Other>, UnitError> {
        others(self.cgroups(), ours)
    }
}

impl Change<'_> {
    fn make(&mut self, ours: ProgId) -> Result<(), UnitError> {
        let settled = with_systemd(async |systemd| self.clear_settings(systemd).await);
        // Without the unit's settings cleared, systemd would attach its program again.
        let left = match &settled {
            Ok(()) => self.take_others_off(ours)?,
            Err(_) => Vec::new(),
        };
        self.gate.others = self.unit.others(ours)?;
        for other in &mut self.gate.others {
            let tried = left.iter().find(|(id, _)| *id == other.id);
            other.reason = tried.map(|(_, reason)| reason.clone());
        }
        settled
    }

    async fn clear_settings(&mut self, systemd: &Systemd) -> Result<(), UnitError> {
        let unit = self.unit.checked(systemd).await?;
        let before = unit.device_settings().await?;
        let programs = unit.bpf_programs().await?;
        let has_program = programs.iter().any(|(kind, _)| is_device(kind));
        if before != DeviceSettings::none() || has_program {
            // Also if it fails or takes too long: it may have been done.
            self.before = Some(before);
            unit.set(&DeviceSettings::none()).await?;
        }
        if has_program {
            self.drop_in = Some(DropIn::without_device(&self.unit.name, &programs)?);
        }
        Ok(())
    }

    /// Those that can't be taken off, and why.
    fn take_others_off(&mut self, ours: ProgId) -> Result<Vec<(ProgId, String)>, UnitError> {
        let mut left = Vec::new();
        for cgroup in &self.unit.above {
            for id in others_on(cgroup, ours)? {
                match take_off(cgroup.as_fd(), id) {
                    Ok(Some(taken)) => {
                        self.gate.detached.push((cgroup.path().to_owned(), id));
                        self.taken.push((cgroup, taken));
                    }
                    Ok(None) => {}
                    Err(error) => left.push((id, error.to_string())),
                }
            }
        }
        Ok(left)
    }

    /// Who decides now.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Leaves the unit as it is now.
    pub fn keep(self) -> Gate {
        self.gate
    }

    /// Restores the unit: first its programs, so that it is never without one, then its settings.
    ///
    /// # Errors
    /// All that is not as it was.
    pub fn undo(self) -> Result<(), Vec<NotUndone>> {
        let mut failed = Vec::new();
        for (cgroup, taken) in &self.taken {
            if let Err(errno) = taken.put_back(cgroup.as_fd()) {
                let cgroup = cgroup.path().to_owned();
                failed.push(NotUndone::Program { id: taken.id(), cgroup, errno });
            }
        }
        if let Some(Err((path, source))) = self.drop_in.map(DropIn::undo) {
            failed.push(NotUndone::DropIn { path, source });
        }
        if let Some(before) = &self.before {
            let name = &self.unit.name;
            let set = async |systemd: &Systemd| Loaded::new(systemd, name).await?.set(before).await;
            if let Err(source) = with_systemd(set) {
                failed.push(NotUndone::Settings { unit: name.clone(), source });
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }
}
