//! A container that is watched: only what a look needs, for there may be a thousand.

use std::os::fd::AsFd;

use super::trouble::Trouble;
use crate::cgroup::{Cgroup, CgroupError};
use crate::container::Record;
use crate::kernel::{Attached, ProgId, QueryError, query};

/// A container with a record.
#[derive(Debug)]
pub(super) struct Watched {
    /// Held open, so that a look is one system call.
    pub cgroup: Cgroup,
    pub cgroup_id: u64,
    /// A program that is known to be the policy.
    pub ours: Option<ProgId>,
    /// The cgroup's list as it was left; `None` if it has to be looked at.
    pub settled: Option<Attached>,
    /// Whether a link holds the policy, as far as the record says.
    pub has_pin: bool,
    /// What failed before.
    pub trouble: Trouble,
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
            cgroup,
            cgroup_id: record.cgroup.id,
            ours: None,
            settled: None,
            has_pin: record.pin.is_some(),
            trouble: Trouble::default(),
        }))
    }

    /// Whether the cgroup's list is as it was left. One system call: where the kernel counts the
    /// changes of a list, the number tells; else the programs' ids.
    pub fn glance(&self) -> Glance {
        match query(self.cgroup.as_fd()) {
            Err(QueryError::Gone) => Glance::Gone,
            Ok(attached) if self.settled.as_ref() == Some(&attached) => Glance::Same,
            // Why there is no answer is told when it is looked at.
            Ok(_) | Err(_) => Glance::Changed,
        }
    }
}
