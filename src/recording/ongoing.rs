//! Recordings that go on: `/run/devgate/recordings/CGROUP-ID.json` says what each is for. What was
//! asked so far is in the maps of its observer, which is pinned.

use serde::{Deserialize, Serialize};

use super::name::RecordingName;
use crate::container::{CgroupRef, ContainerId, Stored, Time, Version};

const VERSION: u32 = 1;

/// A container that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ongoing {
    /// The version of its form.
    pub version: Version<VERSION>,
    /// The recording.
    pub name: RecordingName,
    /// The container, if its id is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub container: Option<ContainerId>,
    /// Its cgroup.
    pub cgroup: CgroupRef,
    /// When it began.
    pub started: Time,
}

impl Stored for Ongoing {
    const VERSION: u32 = VERSION;
    const WHAT: &'static str = "the recording of cgroup";
    type Id = u64;

    fn id(&self) -> &u64 {
        &self.cgroup.id
    }
}
