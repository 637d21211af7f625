//! A container that is watched: only what a look needs, for there may be a thousand.

use std::os::fd::AsFd;

use super::trouble::Trouble;
use crate::cgroup::{Cgroup, CgroupError};
use crate::container::{Record, Time};
use crate::kernel::{Attached, ProgId, QueryError, query};
use crate::unit::{Unit, UnitMode};

/// A container with a record.
#[derive(Debug)]
pub(super) struct Watched {
    /// Held open, so that a look is one system call.
    pub cgroup: Cgroup,
    pub cgroup_id: u64,
    /// A program that is known to be the policy.
    pub ours: Option<ProgId>,
    /// The cgroups above it that are the container's alone: up to the one of the systemd unit that
    /// was made for it.
    pub above: Vec<Cgroup>,
    /// The lists of all these as they were left; `None` if they have to be looked at.
    pub settled: Option<Vec<Attached>>,
    /// When the first of its grants ends.
    pub expires: Option<Time>,
    /// Whether there was a pin when it was looked at last; at first, whether the record has one.
    pub has_pin: bool,
    /// Why it was not mended, if that failed.
    pub trouble: Trouble,
    /// Why grants did not end. That is no reason to leave the rest as it is.
    pub expiry_trouble: Trouble,
}

/// What a glance shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// Nothing changed.
    Same,
    /// It has to be looked at.
    Changed,
    /// The container ended.
    Gone,
}

impl Watched {
    /// The container of a record; `None` if its cgroup is gone.
    pub fn of(record: &Record) -> Result<Option<Watched>, CgroupError> {
        let Some(cgroup) = Cgroup::of_id(record.cgroup.id)? else { return Ok(None) };
        Ok(Some(Watched {
            above: above(&cgroup, record),
            cgroup,
            cgroup_id: record.cgroup.id,
            ours: None,
            settled: None,
            expires: record.grants.iter().filter_map(|grant| grant.expires).min(),
            has_pin: record.pin.is_some(),
            trouble: Trouble::default(),
            expiry_trouble: Trouble::default(),
        }))
    }

    /// The container's own cgroup, and those above.
    pub fn cgroups(&self) -> impl Iterator<Item = &Cgroup> {
        [&self.cgroup].into_iter().chain(&self.above)
    }

    /// Whether the cgroups' lists are as they were left. One system call each: where the kernel
    /// counts the changes of a list, the number tells; else the programs' ids.
    pub fn glance(&self) -> Glance {
        let settled = self.settled.as_deref().unwrap_or_default();
        let mut glance = Glance::Same;
        for (place, cgroup) in self.cgroups().enumerate() {
            match query(cgroup.as_fd()) {
                Err(QueryError::Gone) => return Glance::Gone,
                Ok(attached) if settled.get(place) == Some(&attached) => {}
                // Why there is no answer is told when it is looked at.
                Ok(_) | Err(_) => glance = Glance::Changed,
            }
        }
        glance
    }

    /// Whether the time of a grant is over.
    pub fn has_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Where others have processes in the unit, or it can't be told, nothing above is the container's
/// alone: the hook has warned then.
fn above(cgroup: &Cgroup, record: &Record) -> Vec<Cgroup> {
    if record.unit == UnitMode::No {
        return Vec::new();
    }
    let unit = Unit::of(cgroup, record.id.as_str()).ok().flatten();
    unit.map(Unit::into_above).unwrap_or_default()
}
