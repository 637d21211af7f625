//! What one container was denied.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::denial::{Denial, merge};
use crate::container::{Named, Time, Version};

/// The version of the form in which it is written.
const VERSION: u32 = 1;

/// What one container was denied, or the processes of a cgroup that is no container's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// The version of its form.
    pub version: Version<VERSION>,
    /// The kernel's id of the cgroup, which is never used again.
    pub cgroup_id: u64,
    /// Where the cgroup is or was, if that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cgroup: Option<PathBuf>,
    /// Which container it is, as far as that is known.
    pub identity: Identity,
    /// When its rows were moved from the observer's map: at poststop, or when it was found that its
    /// cgroup is gone. `None` for a container that runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<Time>,
    /// Requests that found no room to be counted in, denied or not.
    pub lost: u64,
    /// What it was denied.
    pub denials: Vec<Denial>,
}

/// Which container a cgroup is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub container: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Its pod, as `NAMESPACE/NAME`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pod: Option<String>,
}

impl Denied {
    /// This, and what is known besides of the same container. The first end counts, and each thing
    /// that one of them knows.
    pub(super) fn with(mut self, later: Denied) -> Denied {
        self.cgroup = self.cgroup.or(later.cgroup);
        self.identity = self.identity.or(later.identity);
        self.ended = self.ended.or(later.ended);
        self.lost = self.lost.max(later.lost);
        merge(&mut self.denials, later.denials);
        self
    }

    /// Whether there is anything to tell.
    pub(super) fn is_nothing(&self) -> bool {
        self.lost == 0 && self.denials.is_empty()
    }

    /// How many requests were denied.
    pub fn count(&self) -> u64 {
        self.denials.iter().map(|denial| denial.count).sum()
    }
}

impl Identity {
    fn or(self, other: Identity) -> Identity {
        Identity {
            container: self.container.or(other.container),
            name: self.name.or(other.name),
            pod: self.pod.or(other.pod),
        }
    }
}

impl From<&Named> for Identity {
    fn from(named: &Named) -> Identity {
        let pod = named.pod.as_ref();
        Identity {
            container: Some(named.id.clone()),
            name: named.name.clone(),
            pod: pod.map(|pod| format!("{}/{}", pod.namespace, pod.name)),
        }
    }
}
