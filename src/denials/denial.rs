//! What is told of denied requests, and as JSON.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::container::Time;
use crate::device::Request;

/// Requests that were denied and are alike, counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// The kernel's id of the cgroup that the asking process was in, which may be below the
    /// container's.
    pub cgroup_id: u64,
    /// What was asked.
    #[serde(with = "words")]
    pub request: Request,
    /// Whether it was denied for sure.
    pub certainty: Certainty,
    /// How often it was asked. Exact.
    pub count: u64,
    /// When it was first asked.
    pub first: Time,
    /// When it was last asked.
    pub last: Time,
    /// The process that asked last, if the kernel tells (Linux 6.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_by: Option<Asker>,
    /// Who denied it, as far as that can be told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub denied_by: Option<DeniedBy>,
}

/// How it is known that a request was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The kernel told the verdict.
    Told,
    /// The verdict is what the policy says that was in force when it was computed.
    Computed,
    /// The kernel told none, and by then no policy was left to compute it from.
    Unknown,
}

/// A process that asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asker {
    /// Its id on the host.
    pub pid: u32,
    /// Its name (`comm`).
    pub command: String,
}

/// What denied a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeniedBy {
    /// The program's id, while it is attached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub program: Option<u32>,
    /// The cgroup that the program is or was attached to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cgroup: Option<PathBuf>,
    /// The rule, as text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
}

impl Denial {
    /// What tells this row from others of the same container.
    fn key(&self) -> (u64, Request) {
        (self.cgroup_id, self.request)
    }
}

/// Adds rows of the same requests that were read at another time. Counts only grow, so of two
/// readings of one row the larger is the later.
pub(super) fn merge(rows: &mut Vec<Denial>, more: Vec<Denial>) {
    let mut places: HashMap<_, usize> =
        rows.iter().enumerate().map(|(place, row)| (row.key(), place)).collect();
    for row in more {
        match places.get(&row.key()).and_then(|place| rows.get_mut(*place)) {
            Some(known) if known.count < row.count => *known = row,
            Some(_) => {}
            None => {
                places.insert(row.key(), rows.len());
                rows.push(row);
            }
        }
    }
}

/// A request as text, like `c 10:229 rw`.
mod words {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::Request;

    pub fn serialize<S: Serializer>(request: &Request, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(request)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Request, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
