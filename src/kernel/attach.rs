//! Attaching a program in place of others (DESIGN.md section 4).
//!
//! Each round looks at what is attached and makes one change towards the goal, which is the
//! new program and no stale one; the goal is reached when a look shows it. Where the kernel
//! counts revisions, a change is made only to the list that was looked at. Somebody else's
//! change so costs a round, and no more.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use thiserror::Error;

use super::load::Loaded;
use super::lock::{LOCK_WAIT, lock};
use super::program::ProgId;
use super::query::{AttachFlags, Attached, QueryError, query};
use super::replace::Replacement;
use super::retval::{self, RetvalPrograms, RetvalReason};

/// Rounds on top of two for each program that is there at first.
const SPARE_ROUNDS: usize = 32;

/// Which programs give way to the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stale {
    /// Every other program attached directly to the cgroup.
    #[default]
    All,
    /// devgate's, by their name.
    Own,
    /// None.
    None,
}

/// Why a stale program was left. It can only restrict further: programs are ANDed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftReason {
    /// It may not be opened.
    Unopened(Errno),
    /// A bpf_link holds it.
    Link,
    /// The kernel would not detach it.
    Undetached(Errno),
}

impl fmt::Display for LeftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeftReason::Unopened(errno) => write!(f, "can't be opened: {errno}"),
            LeftReason::Link => f.write_str("is held by a bpf_link"),
            LeftReason::Undetached(errno) => write!(f, "can't be detached: {errno}"),
        }
    }
}

/// What attaching came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The new program, seen attached.
    pub id: ProgId,
    /// Stale programs that are attached no more.
    pub detached: Vec<ProgId>,
    /// Stale programs that still are.
    pub left: Vec<(ProgId, LeftReason)>,
}

/// Why the new program is not attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Another devgate is at work on the cgroup.
    #[error("another devgate kept the cgroup locked for {} s", LOCK_WAIT.as_secs())]
    Locked,
    /// The cgroup can't be locked.
    #[error("the cgroup can't be locked")]
    Lock(#[source] Errno),
    /// What is attached can't be listed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The kernel would not attach it: no right to, or a program of an ancestor is exclusive.
    #[error("no permission to attach a program")]
    Permission(#[source] Errno),
    /// A program that is to stay tolerates no other.
    #[error("program {id} was attached as {flags}, which leaves no room for another")]
    Exclusive {
        /// The program.
        id: ProgId,
        /// How it was attached.
        flags: AttachFlags,
    },
    /// The kernel's limit on programs of one cgroup.
    #[error(
        "the cgroup has {count} device programs already and the kernel takes no more; none that \
         may go is the same as another, so none can be taken off first without allowing more"
    )]
    TooMany {
        /// Programs attached.
        count: usize,
    },
    /// The kernel would not attach it, for another reason.
    #[error("the program can't be attached")]
    Attach(#[source] Errno),
    /// A program that runs after the new one could allow what that one denies.
    #[error("program {id} runs after the new one and may set the return value: {reason}")]
    Retval {
        /// The program.
        id: ProgId,
        /// Why it may.
        reason: RetvalReason,
    },
    /// Somebody else kept changing what is attached.
    #[error("others changed the attached programs {rounds} times in a row")]
    Contended {
        /// Rounds made.
        rounds: usize,
    },
    /// It failed, and what was attached before could not be restored.
    #[error("{cause}; and what was attached before could not be restored: {undo}")]
    Undo {
        /// Why it failed.
        cause: Box<AttachError>,
        /// Why it was not restored.
        undo: Errno,
    },
}

/// Attaches programs by the cgroup's own list of them: whoever has the right to may detach
/// them again. The program stays when devgate ends, and goes with the cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectAttach {
    /// What gives way.
    pub stale: Stale,
    /// What to do about programs that can take denials back.
    pub retval: RetvalPrograms,
}

impl DirectAttach {
    /// Attaches `program` to the cgroup behind the descriptor in place of every stale program.
    /// At no instant is the cgroup without a program if it had one.
    ///
    /// # Errors
    /// What was attached before is attached still, or again.
    pub fn attach(self, cgroup: BorrowedFd<'_>, program: &Loaded) -> Result<Outcome, AttachError> {
        let _lock = lock(cgroup)?;
        let first = query(cgroup)?;
        let rounds = 2 * first.ids.len() + SPARE_ROUNDS;
        self.within(rounds, first, cgroup, program)
    }

    fn within(
        self,
        rounds: usize,
        first: Attached,
        cgroup: BorrowedFd<'_>,
        program: &Loaded,
    ) -> Result<Outcome, AttachError> {
        let mut replacement = Replacement {
            cgroup,
            program,
            stale: self.stale,
            can_replace: true,
            removed: Vec::new(),
            left: BTreeMap::new(),
        };
        let settled = replacement.settle(rounds, first);
        settled.and_then(|()| self.is_obeyed(cgroup, program)).map_err(
            |cause| match replacement.undo() {
                Ok(()) => cause,
                Err(undo) => AttachError::Undo { cause: Box::new(cause), undo },
            },
        )?;
        let Replacement { removed, left, .. } = replacement;
        let detached = removed.into_iter().map(|(id, _)| id).collect();
        Ok(Outcome { id: program.id(), detached, left: left.into_iter().collect() })
    }

    /// Whether what the program denies stays denied.
    fn is_obeyed(self, cgroup: BorrowedFd<'_>, program: &Loaded) -> Result<(), AttachError> {
        match self.retval {
            RetvalPrograms::Allow => Ok(()),
            RetvalPrograms::Refuse => match retval::after(cgroup, program.id())? {
                Some((id, reason)) => Err(AttachError::Retval { id, reason }),
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests;
