//! Which denials share a counter.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::denials::Denied;
use crate::device::Request;

/// Whose requests are denied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The container with this id, in its own cgroup or below it.
    Container(String),
    /// A cgroup that is no container's, by its directory.
    Cgroup(String),
    /// A cgroup that was removed before anybody looked.
    Removed,
}

impl Owner {
    /// Whose denials these are.
    pub fn of(denied: &Denied) -> Owner {
        match (&denied.identity.container, &denied.cgroup) {
            (Some(id), _) => Owner::Container(id.clone()),
            (None, Some(cgroup)) => Owner::Cgroup(cgroup.display().to_string()),
            (None, None) => Owner::Removed,
        }
    }
}

/// Requests that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Series {
    /// Whose.
    pub owner: Owner,
    /// The device's type and numbers, as `c 10:229`.
    pub device: String,
    /// The access that was asked for, as `rw`.
    pub access: String,
}

impl Series {
    /// The series of a request.
    pub fn new(owner: Owner, request: &Request) -> Series {
        let Request { device_type, major, minor, access } = request;
        Series {
            owner,
            device: format!("{device_type} {major}:{minor}"),
            access: access.to_string(),
        }
    }
}

/// More first, and then by name, so that the order is always the same.
pub(super) fn by_count(a: &(Series, u64), b: &(Series, u64)) -> Ordering {
    b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0))
}
