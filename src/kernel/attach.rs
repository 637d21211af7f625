//! Attaching a program in place of others (DESIGN.md section 4).
//!
//! Each round looks at what is attached and makes one change towards the goal, which is the
//! new program and no stale one; the goal is reached when a look shows it. Where the kernel
//! counts revisions, a change is made only to the list that was looked at. Somebody else's
//! change so costs a round, and no more.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

use super::load::{Loaded, NAME_PREFIX};
use super::program::{ProgId, Program};
use super::query::{AttachFlags, Attached, QueryError, query};
use super::sys;
use crate::bpf::Insn;

const BPF_F_REPLACE: u32 = 4;

/// Rounds on top of two for each program that is there at first.
const SPARE_ROUNDS: usize = 32;

/// How long another devgate may keep a cgroup locked.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(2);

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
#[derive(Clone, Copy, Debug)]
pub struct DirectAttach {
    /// What gives way.
    pub stale: Stale,
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
        replacement.settle(rounds, first).map_err(|cause| match replacement.undo() {
            Ok(()) => cause,
            Err(undo) => AttachError::Undo { cause: Box::new(cause), undo },
        })?;
        let Replacement { removed, left, .. } = replacement;
        let detached = removed.into_iter().map(|(id, _)| id).collect();
        Ok(Outcome { id: program.id(), detached, left: left.into_iter().collect() })
    }
}

/// Held until it is dropped; other devgates wait for it.
fn lock(cgroup: BorrowedFd<'_>) -> Result<Flock<File>, AttachError> {
    let give_up = Instant::now() + LOCK_WAIT;
    let copy = cgroup.try_clone_to_owned();
    let mut file = File::from(copy.map_err(|error| {
        AttachError::Lock(Errno::from_raw(error.raw_os_error().unwrap_or_default()))
    })?);
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((_, Errno::EWOULDBLOCK)) if Instant::now() > give_up => {
                return Err(AttachError::Locked);
            }
            Err((same, Errno::EWOULDBLOCK)) => {
                file = same;
                std::thread::sleep(LOCK_POLL);
            }
            Err((_, errno)) => return Err(AttachError::Lock(errno)),
        }
    }
}

struct Replacement<'a> {
    cgroup: BorrowedFd<'a>,
    program: &'a Loaded,
    stale: Stale,
    /// Whether the kernel knows BPF_F_REPLACE (5.6 and later).
    can_replace: bool,
    /// Stale programs that were taken off, kept in the kernel to be put back.
    removed: Vec<(ProgId, OwnedFd)>,
    left: BTreeMap<ProgId, LeftReason>,
}

/// How a round ended.
enum Round {
    Settled,
    Again,
}

impl Replacement<'_> {
    /// Rounds until the goal is seen; `attached` is what the first one goes by.
    fn settle(&mut self, rounds: usize, mut attached: Attached) -> Result<(), AttachError> {
        for _ in 0..rounds {
            self.left.retain(|id, _| attached.ids.contains(id));
            let round = match attached.ids.contains(&self.program.id()) {
                true => self.remove_one(&attached),
                false => self.insert(&attached)?,
            };
            if let Round::Settled = round {
                return Ok(());
            }
            attached = query(self.cgroup)?;
        }
        Err(AttachError::Contended { rounds })
    }

    /// A stale program that is not known to have to stay, opened.
    fn next_stale(&mut self, attached: &Attached) -> Option<(ProgId, OwnedFd)> {
        for &id in &attached.ids {
            if id == self.program.id() || self.left.contains_key(&id) || !self.is_stale(id) {
                continue;
            }
            match id.open() {
                Ok(fd) => return Some((id, fd)),
                // Gone meanwhile.
                Err(Errno::ENOENT) => {}
                Err(errno) => {
                    self.left.insert(id, LeftReason::Unopened(errno));
                }
            }
        }
        None
    }

    fn is_stale(&self, id: ProgId) -> bool {
        match self.stale {
            Stale::All => true,
            Stale::None => false,
            Stale::Own => {
                Program::by_id(id).is_ok_and(|program| program.name.starts_with(NAME_PREFIX))
            }
        }
    }

    /// Puts the new program in: in place of a stale one where that can be done.
    fn insert(&mut self, attached: &Attached) -> Result<Round, AttachError> {
        let stale = self.next_stale(attached);
        let alone = !attached.ids.is_empty() && attached.flags != AttachFlags::MULTI;
        if let (true, None, Some(&id)) = (alone, &stale, attached.ids.first()) {
            return Err(AttachError::Exclusive { id, flags: attached.flags });
        }
        // An exclusive program gives way to one attached in the same way, of itself.
        let (flags, replace) = match &stale {
            _ if alone => (attached.flags.bits(), None),
            Some((_, fd)) if self.can_replace => {
                (AttachFlags::MULTI.bits() | BPF_F_REPLACE, Some(fd.as_fd()))
            }
            _ => (AttachFlags::MULTI.bits(), None),
        };
        let revision = attached.revision.unwrap_or(0);
        let outcome = sys::prog_attach(self.cgroup, self.program.as_fd(), flags, replace, revision);
        let in_place = alone || replace.is_some();
        match (outcome, stale) {
            (Ok(()), Some(stale)) if in_place => self.removed.push(stale),
            (Ok(()), _) | (Err(Errno::ESTALE), _) => {}
            // Not attached, or not by the list of programs: if it is there in the next round,
            // a link holds it.
            (Err(Errno::ENOENT), Some((id, _))) if in_place => {
                self.left.insert(id, LeftReason::Link);
            }
            (Err(Errno::EINVAL), Some(_)) if self.can_replace && !alone => {
                self.can_replace = false;
            }
            (Err(Errno::EPERM), _) => return Err(AttachError::Permission(Errno::EPERM)),
            (Err(Errno::E2BIG), _) if self.remove_duplicate(attached) => {}
            (Err(Errno::E2BIG), _) => {
                return Err(AttachError::TooMany { count: attached.ids.len() });
            }
            (Err(errno), _) => return Err(AttachError::Attach(errno)),
        }
        Ok(Round::Again)
    }

    /// With as many programs as the kernel takes, not even one can be replaced (seen on 6.18).
    /// So takes a stale one off of which there is another with the same instructions: what is
    /// allowed stays the same.
    fn remove_duplicate(&mut self, attached: &Attached) -> bool {
        let mut seen: Vec<Vec<Insn>> = Vec::new();
        for &id in &attached.ids {
            let Ok(insns) = Program::by_id(id).and_then(|program| program.insns()) else {
                continue;
            };
            if !seen.contains(&insns) {
                seen.push(insns);
                continue;
            }
            if self.left.contains_key(&id) || !self.is_stale(id) {
                continue;
            }
            let Ok(fd) = id.open() else { continue };
            let revision = attached.revision.unwrap_or(0);
            if sys::prog_detach(self.cgroup, fd.as_fd(), revision).is_ok() {
                self.removed.push((id, fd));
                return true;
            }
        }
        false
    }

    /// With the new program in, takes a stale one off.
    fn remove_one(&mut self, attached: &Attached) -> Round {
        let Some((id, fd)) = self.next_stale(attached) else { return Round::Settled };
        let revision = attached.revision.unwrap_or(0);
        match sys::prog_detach(self.cgroup, fd.as_fd(), revision) {
            Ok(()) => self.removed.push((id, fd)),
            Err(Errno::ESTALE) => {}
            Err(Errno::ENOENT) => {
                self.left.insert(id, LeftReason::Link);
            }
            Err(errno) => {
                self.left.insert(id, LeftReason::Undetached(errno));
            }
        }
        Round::Again
    }

    /// Puts back what was taken off, and takes the new program off again.
    fn undo(&mut self) -> nix::Result<()> {
        let Ok(attached) = query(self.cgroup) else { return Ok(()) };
        let mut present = attached.ids.contains(&self.program.id());
        let alone = attached.flags != AttachFlags::MULTI;
        for (_, old) in self.removed.drain(..) {
            let (flags, replace) = match (present, alone) {
                (true, true) => (attached.flags.bits(), None),
                (true, false) if self.can_replace => {
                    let flags = AttachFlags::MULTI.bits() | BPF_F_REPLACE;
                    (flags, Some(self.program.as_fd()))
                }
                _ => (AttachFlags::MULTI.bits(), None),
            };
            sys::prog_attach(self.cgroup, old.as_fd(), flags, replace, 0)?;
            present = present && !alone && replace.is_none();
        }
        match present {
            true => sys::prog_detach(self.cgroup, self.program.as_fd(), 0),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
