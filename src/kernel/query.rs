//! What is attached to a cgroup.

use std::fmt;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use thiserror::Error;

use super::program::ProgId;
use super::sys;

/// Room for ids at first: the kernel's limit on programs of one cgroup
/// (`BPF_CGROUP_MAX_PROGS`), which a later kernel may raise.
const FIRST_ROOM: usize = 64;

/// Queries in all while the list keeps growing.
const ATTEMPTS: u32 = 8;

/// The flags that a cgroup's device programs were attached with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachFlags(u32);

impl AttachFlags {
    /// BPF_F_ALLOW_OVERRIDE: one program, which gives way to a descendant's.
    pub const OVERRIDE: AttachFlags = AttachFlags(1);
    /// BPF_F_ALLOW_MULTI: programs of the cgroup and its descendants all run.
    pub const MULTI: AttachFlags = AttachFlags(2);
    /// No flag: one program, and none in any descendant.
    pub const EXCLUSIVE: AttachFlags = AttachFlags(0);

    /// The kernel's bits.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for AttachFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            AttachFlags::EXCLUSIVE => f.write_str("exclusive"),
            AttachFlags::OVERRIDE => f.write_str("override"),
            AttachFlags::MULTI => f.write_str("multi"),
            AttachFlags(other) => write!(f, "{other:#x}"),
        }
    }
}

/// The device programs attached to a cgroup itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Their ids, in the order in which they run.
    pub ids: Vec<ProgId>,
    /// How they were attached; means nothing where there is none.
    pub flags: AttachFlags,
    /// Counts the changes of the list; `None` if the kernel does not count them.
    pub revision: Option<u64>,
}

impl Attached {
    /// The only program of a list that takes no second one (exclusive or override).
    pub fn single(&self) -> Option<ProgId> {
        self.ids.first().copied().filter(|_| self.flags != AttachFlags::MULTI)
    }
}

/// Why a cgroup's programs can't be listed.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The cgroup was removed.
    #[error("the cgroup is gone")]
    Gone,
    /// The kernel would not tell.
    #[error("the device programs attached can't be listed")]
    Query(#[source] Errno),
    /// The list grew every time it was asked for.
    #[error("the list of attached device programs never stops growing")]
    Growing,
}

/// The device programs attached to the cgroup itself, however many.
///
/// # Errors
/// EPERM, as [`QueryError::Query`], without CAP_NET_ADMIN or CAP_SYS_ADMIN.
pub fn query(cgroup: BorrowedFd<'_>) -> Result<Attached, QueryError> {
    let (queried, ids) = list(cgroup, sys::Query::Attached)?;
    Ok(Attached {
        ids,
        flags: AttachFlags(queried.attach_flags),
        revision: Some(queried.revision).filter(|revision| *revision != 0),
    })
}

/// The device programs that run for the cgroup's processes: its own and its ancestors', in the
/// order in which they run.
///
/// # Errors
/// As for [`query`].
pub fn query_effective(cgroup: BorrowedFd<'_>) -> Result<Vec<ProgId>, QueryError> {
    Ok(list(cgroup, sys::Query::Effective)?.1)
}

/// A removed cgroup's directory, open as it is, has no files any more.
fn is_gone(cgroup: BorrowedFd<'_>) -> bool {
    let found = faccessat(cgroup, "cgroup.procs", AccessFlags::F_OK, AtFlags::empty());
    found == Err(Errno::ENOENT)
}

fn list(
    cgroup: BorrowedFd<'_>,
    which: sys::Query,
) -> Result<(sys::Queried, Vec<ProgId>), QueryError> {
    let mut ids = vec![0; FIRST_ROOM];
    for _ in 0..ATTEMPTS {
        let queried = sys::prog_query(cgroup, which, &mut ids).map_err(|errno| match errno {
            Errno::ENOENT | Errno::ENODEV if is_gone(cgroup) => QueryError::Gone,
            errno => QueryError::Query(errno),
        })?;
        if queried.complete {
            ids.truncate(queried.count);
            return Ok((queried, ids.into_iter().map(ProgId::new).collect()));
        }
        ids.resize(queried.count.max(ids.len()) * 2, 0);
    }
    Err(QueryError::Growing)
}
