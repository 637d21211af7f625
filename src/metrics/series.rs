//! Which denials share a counter.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::cgroup::CgroupError;
use crate::container::{Naming, NamingError};
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
    /// The owner of the cgroup with this id.
    ///
    /// # Errors
    /// [`CgroupError`]: the cgroup can't be looked for.
    pub fn of(cgroup: u64, naming: &mut Naming) -> Result<Owner, CgroupError> {
        let place = match naming.place(cgroup) {
            Err(NamingError::Gone) => return Ok(Owner::Removed),
            Err(NamingError::Cgroup(error)) => return Err(error),
            Ok(place) => place,
        };
        Ok(match &place.container {
            Some(container) => Owner::Container(container.id.clone()),
            None => Owner::Cgroup(place.cgroup.display().to_string()),
        })
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
