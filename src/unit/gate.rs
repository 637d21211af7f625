//! Making devgate's program the only one that decides in a unit: what systemd would attach, then what
//! is attached.

use std::os::fd::AsFd;
use std::path::PathBuf;

use super::Unit;
use super::bus::{Systemd, with_systemd};
use super::drop_in::{DropIn, is_device};
use super::error::{Missing, NotRestored, UnitError};
use super::look::{Other, others, others_on};
use super::settings::{DeviceSettings, State};
use crate::cgroup::Cgroup;
use crate::errors::chain;
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
    /// What the operator should know.
    pub fn warnings(&self) -> Vec<String> {
        let failure = self.failure.iter().map(|error| {
            let (unit, why) = (&self.unit, chain(error));
            format!("systemd may attach a program of its own to unit {unit} at any time: {why}")
        });
        failure.chain(self.others.iter().map(ToString::to_string)).collect()
    }

    /// Whether devgate's program decides alone, and systemd adds no other.
    pub fn is_sole(&self) -> bool {
        self.failure.is_none() && self.others.is_empty()
    }
}

/// A unit whose settings were cleared. What it was before is remembered, to be restored.
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
    /// Takes DevicePolicy=, DeviceAllow= and BPFProgram= for devices from the unit, so that systemd
    /// adds no program at a daemon-reload or an update. What it has attached stays attached: that
    /// is for [`Change::take_others_off`], once devgate's program is there.
    pub fn clear_settings(&'a self) -> Change<'a> {
        let (unit, detached, others) = (self.name.clone(), Vec::new(), Vec::new());
        let gate = Gate { unit, detached, failure: None, others };
        let mut change =
            Change { unit: self, before: None, drop_in: None, taken: Vec::new(), gate };
        change.gate.failure = with_systemd(async |systemd| change.clear(systemd).await).err();
        change
    }

    /// The programs, besides `ours`, that are attached to the unit's cgroups now.
    ///
    /// # Errors
    /// They can't be listed.
    pub fn others(&self, ours: &[ProgId]) -> Result<Vec<Other>, UnitError> {
        others(self.cgroups(), ours)
    }
}

impl Change<'_> {
    async fn clear(&mut self, systemd: &Systemd) -> Result<(), UnitError> {
        let State { settings, programs, .. } = self.unit.state(systemd).await?;
        let name = &self.unit.name;
        let has_program = programs.iter().any(|(kind, _)| is_device(kind));
        if settings != DeviceSettings::none() || has_program {
            // Also if it fails or takes too long: it may have been done.
            self.before = Some(settings);
            DeviceSettings::none().set(systemd, name).await?;
        }
        if has_program {
            self.drop_in = Some(DropIn::without_device(name, &programs)?);
        }
        Ok(())
    }

    /// Takes the programs besides `ours` off the unit's cgroups above the container's own, where
    /// one of `ours` is attached by now, and looks who decides. Where the settings were not
    /// cleared, the programs are left: systemd would attach them again. Those of the container's
    /// own cgroup are left too: they are [`crate::kernel::DirectAttach`]'s.
    pub fn take_others_off(&mut self, ours: &[ProgId]) -> &mut Gate {
        match self.gate.failure {
            None => {
                let failure = self.take_off(ours).and_then(|left| self.look(ours, &left));
                self.gate.failure = failure.err();
            }
            // Why the settings were not cleared is what the operator should know.
            Some(_) => drop(self.look(ours, &[])),
        }
        &mut self.gate
    }

    /// Returns those that can't be taken off, and why.
    fn take_off(&mut self, ours: &[ProgId]) -> Result<Vec<(ProgId, String)>, UnitError> {
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

    fn look(&mut self, ours: &[ProgId], left: &[(ProgId, String)]) -> Result<(), UnitError> {
        self.gate.others = self.unit.others(ours)?;
        for other in &mut self.gate.others {
            let tried = left.iter().find(|(id, _)| *id == other.id);
            other.reason = tried.map(|(_, reason)| reason.clone());
        }
        Ok(())
    }

    /// Leaves the unit as it is now.
    pub fn keep(self) -> Gate {
        self.gate
    }

    /// Restores the unit: first its programs, so that it is never without one, then its settings.
    ///
    /// # Errors
    /// All that is not as it was.
    pub fn undo(self) -> Result<(), NotRestored> {
        let mut failed = Vec::new();
        for (cgroup, taken) in &self.taken {
            if let Err(errno) = taken.put_back(cgroup.as_fd()) {
                let cgroup = cgroup.path().to_owned();
                failed.push(Missing::Program { id: taken.id(), cgroup, errno });
            }
        }
        if let Some(Err((path, source))) = self.drop_in.map(DropIn::undo) {
            failed.push(Missing::DropIn { path, source });
        }
        let name = &self.unit.name;
        if let Some(before) = &self.before {
            let set = async |systemd: &Systemd| before.set(systemd, name).await;
            failed.extend(with_systemd(set).err().map(Missing::Settings));
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(NotRestored { unit: name.clone(), failed }),
        }
    }
}
