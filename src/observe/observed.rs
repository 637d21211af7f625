//! What an observer has counted.

use std::time::Duration;

use crate::device::Request;
use crate::policy::Verdict;

/// How an observer comes to its verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The kernel tells the verdict so far (`bpf_get_retval`), and who asks. For device programs
    /// since Linux 6.1.
    Told,
    /// The kernel tells the request alone. The verdict is computed from the programs that are
    /// attached when it is looked at.
    Computed,
}

/// What an observer saw a request answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seen {
    /// Allowed or denied, as the kernel told.
    Verdict(Verdict),
    /// The kernel tells no verdict ([`Method::Computed`]).
    Untold,
}

/// A process that asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requester {
    /// Its id on the host.
    pub pid: u32,
    /// Its name (`comm`, 15 bytes at most), as it calls itself.
    pub command: String,
}

/// Requests of one cgroup that are alike, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The cgroup that the asking process is in, which may be below a container's.
    pub cgroup_id: u64,
    /// What was asked.
    pub request: Request,
    /// What the programs below the observer answered.
    pub seen: Seen,
    /// How often. Exact.
    pub count: u64,
    /// When it was first asked, on CLOCK_MONOTONIC.
    pub first: Duration,
    /// When it was last asked, on CLOCK_MONOTONIC.
    pub last: Duration,
    /// Who asked last; `None` if the kernel does not tell ([`Method::Computed`]).
    pub last_by: Option<Requester>,
}

/// Requests that were answered as always and found no room to be counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// The container's cgroup whose room was full; `None` for cgroups that got no room at all.
    pub cgroup_id: Option<u64>,
    /// How many.
    pub requests: u64,
}
