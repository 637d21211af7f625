//! The systemd unit that was made for a container.
//!
//! With systemd as cgroup manager a runtime asks systemd for a unit, whose cgroup is the
//! container's (runc) or the one above it (crun). systemd attaches a device program of its own to
//! it: at once, at a daemon-reload, or at an update. The kernel allows what all programs allow, so
//! that one narrows devgate's policy. Here it is taken off for good.
//!
//! Without systemd nothing of this is done: the cgroup's path tells, and no system call is made.

mod bus;
mod drop_in;
mod error;
mod gate;
mod gating;
mod look;
mod name;
mod settings;

pub use error::{Missing, NotRestored, UnitError};
pub use gate::{Change, Gate};
pub use gating::Gating;
pub use look::Other;

use std::path::Path;

use crate::cgroup::{Cgroup, CgroupError};

use bus::Systemd;
use settings::State;

/// What to do about the systemd unit that was made for a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitMode {
    /// Make devgate's policy its only gate; where that is impossible, warn.
    #[default]
    Try,
    /// Make devgate's policy its only gate, or fail.
    Require,
    /// Leave it as it is.
    No,
}

/// The unit that was made for a container. Its processes are all the container's.
#[derive(Debug)]
pub struct Unit<'a> {
    name: String,
    /// The container's own cgroup.
    leaf: &'a Cgroup,
    /// The cgroups above that one, up to the unit's; none if the unit's is the container's own.
    above: Vec<Cgroup>,
}

/// Where systemd makes a directory if it is the system's manager (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

impl<'a> Unit<'a> {
    /// The unit of the container with this id, whose own cgroup is `leaf`. `None` if there is no
    /// systemd, or no unit was made for this container alone.
    ///
    /// # Errors
    /// A cgroup can't be opened, or there are others' processes in the unit.
    pub fn of(leaf: &'a Cgroup, id: &str) -> Result<Option<Unit<'a>>, UnitError> {
        let Some((top, name)) = name::unit_at_or_above(leaf.name(), id) else { return Ok(None) };
        if !Path::new(BOOTED).is_dir() {
            return Ok(None);
        }
        let above = above(leaf, top)?;
        let unit = Unit { name: name.to_owned(), leaf, above };
        match look::populated_beside(unit.cgroup().path(), leaf.path())? {
            None => Ok(Some(unit)),
            Some(cgroup) => Err(UnitError::Shared { unit: unit.name, cgroup }),
        }
    }

    /// Its name, as systemd has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        self.above.last().unwrap_or(self.leaf)
    }

    /// The cgroups above the container's own, up to the unit's; none if the unit's is that.
    pub fn into_above(self) -> Vec<Cgroup> {
        self.above
    }

    /// The container's own cgroup and those above it, up to the unit's.
    fn cgroups(&self) -> impl Iterator<Item = &Cgroup> {
        [self.leaf].into_iter().chain(&self.above)
    }

    /// What systemd has of the unit, if its unit of this name is this one and a runtime made it.
    async fn state(&self, systemd: &Systemd) -> Result<State, UnitError> {
        let state = State::of(systemd, &self.name).await?;
        let (unit, cgroup) = (|| self.name.clone(), self.cgroup().name());
        if Path::new(&state.control_group) != cgroup {
            let (cgroup, theirs) = (cgroup.to_owned(), state.control_group);
            return Err(UnitError::NotItsUnit { unit: unit(), cgroup, theirs });
        }
        match state.transient {
            true => Ok(state),
            false => Err(UnitError::NotTransient { unit: unit() }),
        }
    }
}

/// Whether the cgroup is that of a unit, or is in one, by its path: only then it can be a
/// container's that has a unit of its own.
pub fn is_in_unit(cgroup: &Cgroup) -> bool {
    cgroup.name().iter().any(|name| name.to_str().is_some_and(name::is_unit))
}

/// The cgroups above `leaf`, up to the one named `top`.
fn above(leaf: &Cgroup, top: &Path) -> Result<Vec<Cgroup>, CgroupError> {
    let mut above: Vec<Cgroup> = Vec::new();
    while above.last().unwrap_or(leaf).name() != top {
        let next = above.last().unwrap_or(leaf).parent()?;
        above.push(next.ok_or_else(|| CgroupError::NotMounted { cgroup: top.to_owned() })?);
    }
    Ok(above)
}
