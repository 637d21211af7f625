//! Which denials share a counter.

use std::cmp::Ordering;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroup, CgroupError};
use crate::container::container_id;
use crate::device::Request;

/// Whose requests are denied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The container with this id, in its own cgroup or below it.
    Container(String),
    /// A cgroup that is no container's, by its path in the hierarchy.
    Cgroup(String),
    /// A cgroup that was removed before anybody looked.
    Removed,
}

impl Owner {
    /// The owner of the cgroup with this id. Of several containers, one inside the other, it is the
    /// outermost: a container may name the cgroups in it as it likes.
    ///
    /// # Errors
    /// [`CgroupError`]: the cgroup can't be looked for.
    pub fn of(cgroup: u64) -> Result<Owner, CgroupError> {
        let Some(cgroup) = Cgroup::of_id(cgroup)? else { return Ok(Owner::Removed) };
        Ok(Owner::at(cgroup.name()))
    }

    /// The owner of the cgroup at this path in the hierarchy.
    pub fn at(path: &Path) -> Owner {
        let ids = path.ancestors().filter_map(container_id);
        match ids.last() {
            Some(id) => Owner::Container(id.to_owned()),
            None => Owner::Cgroup(path.display().to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_container_owns_what_is_below_it() {
        let id = |digit: &str| digit.repeat(64);
        let scope = format!("/machine.slice/libpod-{}.scope", id("a"));
        for path in ["", "/container", "/container/system.slice", &format!("/docker/{}", id("b"))] {
            let owner = Owner::at(Path::new(&format!("{scope}{path}")));
            assert_eq!(owner, Owner::Container(id("a")), "{path}");
        }
        let owner = Owner::at(Path::new("/system.slice/x.service"));
        assert_eq!(owner, Owner::Cgroup("/system.slice/x.service".into()));
    }
}
