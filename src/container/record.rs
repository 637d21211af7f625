//! What devgate knows of a running container: `/run/devgate/containers/ID.json`. It disappears
//! with the container, and with the machine's run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::grant::Grant;
use super::history::{Action, Change, History};
use super::id::ContainerId;
use super::modes::{
    DefaultDevicesWord, HoldWord, OverrideAncestorWord, RetvalProgramsWord, StaleWord, UnitWord,
};
use super::rules;
use super::store::{Store, StoreError, Stored, Version};
use super::time::Time;
use super::user::User;
use crate::enforce::EnforceOptions;
use crate::hold::HoldMode;
use crate::kernel::{DirectAttach, OverrideAncestor, RetvalPrograms, Stale};
use crate::policy::{DefaultDevices, Policy, Rule};
use crate::run_dir::{RUN_DIR, RunDir, RunDirError};
use crate::unit::UnitMode;

const VERSION: u32 = 1;

/// Where they are in /run/devgate.
const DIR: &str = "containers";

/// The record of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of the record's form.
    pub version: Version<VERSION>,
    /// The container.
    pub id: ContainerId,
    /// Its cgroup.
    pub cgroup: CgroupRef,
    /// Its bundle, which holds config.json, if the runtime named it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bundle: Option<PathBuf>,
    /// Its first process, by the id on the host.
    pub pid: i32,
    /// The config's rules, or those of the latest `update`.
    #[serde(with = "rules::list")]
    pub rules: Vec<Rule>,
    /// Where the base rules go.
    #[serde(with = "DefaultDevicesWord")]
    pub default_devices: DefaultDevices,
    /// Which programs give way.
    #[serde(with = "StaleWord")]
    pub stale: Stale,
    /// What to do about an override program of a cgroup above.
    #[serde(with = "OverrideAncestorWord")]
    pub override_ancestor: OverrideAncestor,
    /// What to do about programs that can take denials back.
    #[serde(with = "RetvalProgramsWord")]
    pub retval_programs: RetvalPrograms,
    /// Whether a bpf_link holds the policy.
    #[serde(with = "HoldWord")]
    pub hold: HoldMode,
    /// What to do about the systemd unit that was made for it.
    #[serde(with = "UnitWord")]
    pub unit: UnitMode,
    /// Where that link is pinned, if it is held.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pin: Option<PathBuf>,
    /// What was granted and revoked since, in order.
    pub grants: Vec<Grant>,
    /// Every change of the rules.
    pub history: History,
}

/// A cgroup2 directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CgroupRef {
    /// Where the hook saw it. Another process may see it elsewhere, or not at all.
    pub path: PathBuf,
    /// The kernel's id of it, which tells it from a later one at the same path.
    pub id: u64,
}

impl Stored for Record {
    const VERSION: u32 = VERSION;
    const WHAT: &'static str = "container";
    type Id = ContainerId;

    fn id(&self) -> &ContainerId {
        &self.id
    }
}

impl Record {
    /// The rules that the policy is made from: the config's, then the grants'. A grant of no access
    /// stands for a node that is still to be removed, and has no rule.
    pub fn rules(&self) -> Vec<Rule> {
        let grants = self.grants.iter().map(|grant| grant.rule);
        let grants = grants.filter(|rule| !rule.access().is_none());
        self.rules.iter().copied().chain(grants).collect()
    }

    /// The policy: the config's rules with the base rules placed among them as
    /// [`Record::default_devices`] says, then the grants. Grants win over all others, and do not
    /// move the base rules.
    pub fn policy(&self) -> Policy {
        let grants = self.grants.iter().map(|grant| grant.rule);
        Policy::new(self.rules.clone(), self.default_devices).with_grants(grants)
    }

    /// How the policy is put in force.
    pub fn enforce_options(&self) -> EnforceOptions {
        let (stale, retval) = (self.stale, self.retval_programs);
        let attach = DirectAttach { stale, override_ancestor: self.override_ancestor, retval };
        EnforceOptions { attach, hold: self.hold, unit: self.unit }
    }

    /// Makes a change of the rules or grants, and adds it to the history.
    pub fn change<R>(
        &mut self,
        action: Action,
        user: User,
        change: impl FnOnce(&mut Record) -> R,
    ) -> R {
        let before = self.rules();
        let outcome = change(self);
        let change = Change::new(action, user, Time::now(), &before, &self.rules());
        self.history.add(change);
        outcome
    }

    /// The grants whose time has ended.
    pub fn expired(&self, now: Time) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(move |grant| grant.is_expired(now))
    }
}

/// The records of this machine's containers.
pub type RecordStore = Store<Record>;

/// Why a container that starts gets no record.
#[derive(Debug, Error)]
pub enum StartError {
    /// Another container, of another engine perhaps, has this id and still runs.
    #[error(
        "another container with id {id} has a record and runs in cgroup {}",
        cgroup.display()
    )]
    Taken {
        /// The id.
        id: ContainerId,
        /// The other container's cgroup.
        cgroup: PathBuf,
    },
    /// The record can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// Containers whose records were removed.
    pub removed: Vec<ContainerId>,
    /// Records that were left, because they can't be read or removed.
    pub failed: Vec<StoreError>,
}

impl RecordStore {
    /// The records in the directory `containers` of `run`, which is /run/devgate.
    ///
    /// # Errors
    /// The directory can't be made or used.
    pub fn records(run: &RunDir) -> Result<RecordStore, RunDirError> {
        run.below(DIR).map(Store::new)
    }

    /// The records in /run/devgate, if there may be any; nothing is made.
    ///
    /// # Errors
    /// A directory can't be used.
    pub fn existing() -> Result<Option<RecordStore>, RunDirError> {
        let Some(run) = RunDir::existing(Path::new(RUN_DIR))? else { return Ok(None) };
        let records = RunDir::existing(&run.path().join(DIR))?;
        Ok(records.map(Store::new))
    }

    /// Writes the record of a container that starts, in place of an earlier one of this id. One
    /// that is damaged gives way, too: nothing could be made of it any more.
    ///
    /// # Errors
    /// An earlier one's cgroup is another and still there (`is_there`, given its id), the earlier
    /// record can't be read or is a newer devgate's, or the new one can't be written.
    pub fn start(&self, record: Record, is_there: impl Fn(u64) -> bool) -> Result<(), StartError> {
        let mut locked = match self.lock(&record.id) {
            Err(StoreError::Damaged { .. }) => {
                self.remove(&record.id)?;
                self.lock(&record.id)?
            }
            locked => locked?,
        };
        let other = locked.as_ref().map(|found| &found.cgroup);
        if let Some(other) = other.filter(|other| other.id != record.cgroup.id)
            && is_there(other.id)
        {
            return Err(StartError::Taken { id: record.id, cgroup: other.path.clone() });
        }
        Ok(locked.put(record)?)
    }

    /// The container that has a record of this cgroup, if there is one that can be read.
    ///
    /// # Errors
    /// The records can't be listed.
    pub fn of_cgroup(&self, id: u64) -> Result<Option<ContainerId>, StoreError> {
        self.find(|record| record.cgroup.id == id)
    }

    /// The same, besides this container.
    ///
    /// # Errors
    /// The records can't be listed.
    pub fn other_of_cgroup(
        &self,
        id: u64,
        own: &ContainerId,
    ) -> Result<Option<ContainerId>, StoreError> {
        self.find(|record| record.cgroup.id == id && record.id != *own)
    }

    fn find(&self, is_it: impl Fn(&Record) -> bool) -> Result<Option<ContainerId>, StoreError> {
        let mut readable = self.list()?.into_iter().filter_map(|(_, record)| record.ok());
        Ok(readable.find(is_it).map(|record| record.id))
    }

    /// What [`RecordStore::sweep`] would remove, but for records that somebody is changing.
    ///
    /// # Errors
    /// The records can't be listed.
    pub fn dead(&self, is_there: impl Fn(u64) -> bool) -> Result<Swept, StoreError> {
        let mut dead = Swept::default();
        for (id, record) in self.list()? {
            match record {
                Ok(record) if is_there(record.cgroup.id) => {}
                Ok(_) => dead.removed.push(id),
                Err(error) => dead.failed.push(error),
            }
        }
        Ok(dead)
    }

    /// Removes the records whose cgroup is gone (`is_there`, given its id), and locks that were
    /// left. A record that somebody is changing is left for the next time.
    ///
    /// # Errors
    /// The records can't be listed.
    pub fn sweep(&self, is_there: impl Fn(u64) -> bool) -> Result<Swept, StoreError> {
        let mut ids = self.ids()?;
        ids.extend(self.lock_ids()?);
        ids.sort_unstable();
        ids.dedup();
        let mut swept = Swept::default();
        for id in ids {
            let is_dead = |record: Option<Record>| match record {
                Some(record) => !is_there(record.cgroup.id),
                None => true,
            };
            match self.remove_if(&id, is_dead) {
                Ok(true) => swept.removed.push(id),
                Ok(false) => {}
                Err(error) => swept.failed.push(error),
            }
        }
        Ok(swept)
    }
}

#[cfg(test)]
mod tests;
