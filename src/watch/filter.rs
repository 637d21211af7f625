//! Which containers and cgroups are of interest.

use std::path::PathBuf;

use crate::cgroup::Cgroup;
use crate::container::Place;

/// One that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The container with this id.
    Id(String),
    /// Containers with this name.
    Name(String),
    /// All in this cgroup2 directory and below it.
    Below(PathBuf),
}

/// Which containers and cgroups are of interest.
#[derive(Debug, Default)]
pub struct Filter {
    /// Those that are, each with its cgroup; empty: all.
    pub(super) wanted: Vec<(Wanted, Cgroup)>,
}

impl Filter {
    /// The cgroups of those that are named; `None` if all are of interest.
    pub(super) fn cgroups(&self) -> Option<impl Iterator<Item = &Cgroup>> {
        (!self.wanted.is_empty()).then(|| self.wanted.iter().map(|(_, cgroup)| cgroup))
    }

    /// Whether requests from this place are of interest; `None` is a place that can't be told.
    pub(super) fn matches(&self, place: Option<&Place>) -> bool {
        self.wanted.is_empty() || place.is_some_and(|place| self.names(place))
    }

    fn names(&self, place: &Place) -> bool {
        let container = place.container.as_deref();
        self.wanted.iter().any(|(wanted, _)| match wanted {
            Wanted::Id(id) => container.is_some_and(|it| it.id == *id),
            Wanted::Name(name) => container.is_some_and(|it| it.name.as_ref() == Some(name)),
            Wanted::Below(dir) => place.cgroup.starts_with(dir),
        })
    }
}
