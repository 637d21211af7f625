//! Grants that outlast the container's run.

use std::path::Path;

use super::devices::{DeviceName, Devices};
use super::edit::{Edit, NewGrant, Revoked, denied, prune};
use super::error::ChangeError;
use super::stores::{Stores, kept_in};
use crate::container::{
    ContainerId, Grant, Init, LIB_DIR, Made, Record, StoreError, Time, User, make,
};
use crate::device::Access;
use crate::errors::chain;
use crate::policy::{Rule, Verdict};

/// What a change does to the kept grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keep {
    closed: Vec<Revoked>,
    added: Vec<Grant>,
    user: User,
}

impl Keep {
    pub(super) fn of(edit: &Edit, user: &User) -> Keep {
        let mut keep = Keep { closed: Vec::new(), added: Vec::new(), user: user.clone() };
        match edit {
            Edit::Grant(grants) => {
                let kept = grants.iter().map(|new| &new.grant).filter(|grant| grant.keep);
                keep.added = kept.cloned().collect();
            }
            Edit::Revoke(revoked) => keep.closed.clone_from(revoked),
            Edit::Update { .. } | Edit::Expire(_) | Edit::Keep(_) => {}
        }
        keep
    }

    /// Takes what is revoked out. Returns what was kept before, if that differs.
    pub(super) fn take_away(
        &self,
        stores: &Stores,
        id: &ContainerId,
    ) -> Result<Option<Vec<Grant>>, ChangeError> {
        if self.closed.is_empty() || stores.kept_of(id)?.is_none() {
            return Ok(None);
        }
        let before = stores.kept()?.change(id, |grants| {
            let before = grants.clone();
            self.closed.iter().for_each(|revoked| narrow(grants, revoked, &self.user));
            (before != *grants).then_some(before)
        })?;
        Ok(before)
    }

    /// Puts back what was kept before. What failed first is what counts.
    pub(super) fn restore(stores: &Stores, id: &ContainerId, before: Option<Vec<Grant>>) {
        let (Some(before), Ok(kept)) = (before, stores.kept()) else { return };
        let _ = kept.change(id, |grants| *grants = before);
    }

    /// Adds what is to be kept.
    pub(super) fn add(&self, stores: &Stores, id: &ContainerId) -> Result<(), ChangeError> {
        if self.added.is_empty() {
            return Ok(());
        }
        stores.kept()?.change(id, |grants| {
            for new in &self.added {
                if let Some(devices) = Devices::of(&new.rule) {
                    prune(grants, new.rule.access(), |old| devices.cover(&old.rule));
                }
                grants.push(new.clone());
            }
        })?;
        Ok(())
    }
}

/// Takes what is revoked from what is kept. A grant of more devices stays, and a deny comes after it.
fn narrow(grants: &mut Vec<Grant>, revoked: &Revoked, user: &User) {
    let Revoked { device, devices, access } = revoked;
    let bits = access.unwrap_or(Access::ALL);
    // By its name, a grant may be one of another device at the next start.
    let is_meant_by_name = |grant: &Grant| {
        let now = again(grant).is_ok_and(|new| devices.cover(&new.grant.rule));
        now && grant.rule.verdict() == Verdict::Allow
    };
    let is_meant = |grant: &Grant| devices.cover(&grant.rule) || is_meant_by_name(grant);
    prune(grants, bits, is_meant);
    let rules: Vec<Rule> = grants.iter().filter_map(|grant| denied(grant, devices, bits)).collect();
    for rule in rules {
        if !grants.iter().any(|grant| grant.rule == rule) {
            let (device, user) = (device.clone(), user.clone());
            let (time, keep) = (Time::now(), true);
            grants.push(Grant {
                rule,
                device,
                path: None,
                node: None,
                time,
                user,
                expires: None,
                keep,
            });
        }
    }
}

/// What is kept for a container that starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptGrants {
    /// The grants, for the devices that their names stand for now.
    pub grants: Vec<NewGrant>,
    /// Why some do not apply.
    pub warnings: Vec<String>,
}

/// What is kept for a container that starts, each device looked up anew: after a boot a name may
/// stand for other numbers. One that is not there is left out, so less is allowed than is kept. What
/// is denied is the device that was revoked, and that of its name now.
///
/// # Errors
/// What is kept can't be read.
pub fn kept_grants(id: &ContainerId) -> Result<KeptGrants, ChangeError> {
    let Some(kept) = kept_in(Path::new(LIB_DIR), id)? else { return Ok(KeptGrants::default()) };
    let mut found = KeptGrants::default();
    for grant in kept.grants {
        if grant.rule.verdict() == Verdict::Deny {
            let is_other =
                |new: &NewGrant| grant.device.starts_with('/') && new.grant.rule != grant.rule;
            let by_name = again(&grant).ok().filter(is_other);
            found.grants.push(NewGrant { grant, node: None });
            found.grants.extend(by_name);
            continue;
        }
        match again(&grant) {
            Ok(new) => found.grants.push(new),
            Err(why) => {
                found.warnings.push(format!("kept grant {}: does not apply: {why}", grant.device));
            }
        }
    }
    Ok(found)
}

impl KeptGrants {
    /// Their rules, which come after all others.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        self.grants.iter().map(|new| new.grant.rule)
    }

    /// Makes their nodes. Without one a device is granted all the same, so that is a warning.
    pub fn make_nodes(&mut self, init: &Init) {
        for NewGrant { grant, node } in &mut self.grants {
            let (Some(path), Some(spec)) = (&grant.path, node) else { continue };
            match make(init, spec, path) {
                Ok(Made::New(node)) => grant.node = Some(node),
                Ok(Made::AlreadyThere) => {}
                Err(error) => {
                    let why = chain(&error);
                    self.warnings.push(format!("kept grant {}: node {path}: {why}", grant.device));
                }
            }
        }
    }

    /// Whether one of them has a node.
    pub fn have_nodes(&self) -> bool {
        self.grants.iter().any(|new| new.node.is_some())
    }

    /// The record of the container with these grants, and with that in its history.
    pub fn add_to(self, record: &Record, user: impl FnOnce() -> User) -> Record {
        match self.grants.is_empty() {
            true => record.clone(),
            false => Edit::Keep(self.grants).of(record, &user()).record,
        }
    }
}

fn again(grant: &Grant) -> Result<NewGrant, String> {
    let name: DeviceName = grant.device.parse().map_err(|error| chain(&error))?;
    let found = name.resolve().map_err(|error| chain(&error))?;
    let rule = found.devices.rule(grant.rule.verdict(), grant.rule.access());
    let node = found.node.filter(|_| grant.path.is_some());
    Ok(NewGrant { grant: Grant { rule, node: None, ..grant.clone() }, node })
}

/// Forgets what is kept for a container. What it may do in this run stays. Returns what was kept.
///
/// # Errors
/// What is kept, or the record, can't be read or written.
pub fn forget(stores: &Stores, id: &ContainerId) -> Result<Vec<Grant>, ChangeError> {
    let forgotten = match stores.kept_of(id)? {
        Some(_) => stores.kept()?.change(id, std::mem::take)?,
        None => Vec::new(),
    };
    let edit = |record: &mut Record| {
        record.grants.iter_mut().for_each(|grant| grant.keep = false);
        Ok::<(), StoreError>(())
    };
    match stores.records.edit(id, edit) {
        // It does not run, or is another devgate's.
        Ok(()) | Err(StoreError::Missing { .. }) => Ok(forgotten),
        Err(error) => Err(error.into()),
    }
}
