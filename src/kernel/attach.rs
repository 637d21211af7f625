//! Attaching a program in place of others (DESIGN.md, "Attaching").
//!
//! Each round looks at what is attached and makes one change towards the goal, which is the
//! new program and no stale one; the goal is reached when a look shows it. Where the kernel
//! counts revisions, a change is made only to the list that was looked at. Somebody else's
//! change so costs a round, and no more.

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;

use super::above::NearestAbove;
use super::attach_error::{AttachError, NotRestored};
use super::list::{CgroupList, List};
use super::load::Loaded;
use super::lock::{Lock, Unlocked, lock};
use super::program::{ProgId, Program};
use super::replace::{Progress, Replacement};
use super::retval::{self, RetvalPrograms};
use super::undo::Ids;
use crate::errors::chain;

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

/// What to do if the new program takes an override program of a cgroup above out of force: the
/// kernel runs such a program only for cgroups without programs (BPF_F_ALLOW_OVERRIDE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverrideAncestor {
    /// Fail, since the cgroup may then be allowed more than before.
    #[default]
    Refuse,
    /// Attach the new program, and report the other.
    Replace,
}

/// An override program of a cgroup above, out of force for the cgroup with the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overridden {
    /// The cgroup above. `None` if it can't be seen from here: then it is not known whether its
    /// programs are override programs.
    pub cgroup: Option<PathBuf>,
    /// The programs.
    pub ids: Vec<ProgId>,
}

impl fmt::Display for Overridden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = Ids(&self.ids);
        match &self.cgroup {
            Some(cgroup) => write!(
                f,
                "program {ids} on {} is an override program: it is in force for cgroups without \
                 programs only, and so not together with the new program",
                cgroup.display()
            ),
            None => write!(
                f,
                "program {ids} is in force from a cgroup above that is not seen from here: if it \
                 is an override program, it is not in force together with the new program"
            ),
        }
    }
}

/// Why a stale program was left. It can only restrict further: programs are ANDed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftReason {
    /// It may not be opened.
    Unopened(Errno),
    /// Its name can't be told, so neither whether it is devgate's.
    Unnamed,
    /// A bpf_link holds it.
    Link,
    /// The kernel would not detach it.
    Undetached(Errno),
}

impl fmt::Display for LeftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeftReason::Unopened(errno) => write!(f, "can't be opened: {errno}"),
            LeftReason::Unnamed => f.write_str("can't be described"),
            LeftReason::Link => f.write_str("is held by a bpf_link"),
            LeftReason::Undetached(errno) => write!(f, "can't be detached: {errno}"),
        }
    }
}

/// What attaching came to.
#[derive(Debug)]
pub struct Outcome {
    /// The new program, seen attached.
    pub id: ProgId,
    /// Stale programs that are attached no more.
    pub detached: Vec<ProgId>,
    /// Stale programs that still are.
    pub left: Vec<(ProgId, LeftReason)>,
    /// A program that is out of force now, where that was asked for.
    pub overridden: Option<Overridden>,
    /// Why the cgroup was not locked against other devgates, if it was not.
    pub unlocked: Option<Unlocked>,
}

impl Outcome {
    /// What else the operator should know, besides the programs that are left.
    pub fn warnings(&self) -> Vec<String> {
        let overridden = self.overridden.iter().map(ToString::to_string);
        let unlocked = self.unlocked.iter().map(|why| {
            let why = chain(why);
            format!("the cgroup was not locked, so another devgate may be at work on it: {why}")
        });
        overridden.chain(unlocked).collect()
    }
}

/// Attaches programs by the cgroup's own list of them: whoever has the right to may detach
/// them again. The program stays when devgate ends, and goes with the cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectAttach {
    /// What gives way.
    pub stale: Stale,
    /// What to do about an override program of a cgroup above.
    pub override_ancestor: OverrideAncestor,
    /// What to do about programs that can take denials back.
    pub retval: RetvalPrograms,
}

/// A program that was seen attached. What gave way to it is still in the kernel, to be put back.
#[must_use = "it is to be kept or undone"]
pub struct Attachment<'a> {
    replacement: Replacement<'a, CgroupList<'a>>,
    lock: Result<Lock, Unlocked>,
}

impl DirectAttach {
    /// Attaches `program` to the cgroup behind the descriptor in place of every stale program.
    /// At no instant is the cgroup without a program if it had one.
    ///
    /// # Errors
    /// What was attached before is attached still, or again; or
    /// [`AttachError::NotUndone`] tells how that differs.
    pub fn attach<'a>(
        self,
        cgroup: BorrowedFd<'a>,
        program: &'a Loaded,
        above: NearestAbove<'a>,
    ) -> Result<Attachment<'a>, AttachError> {
        let lock = lock(cgroup)?;
        let mut replacement = self.begin(cgroup, program, above)?;
        let rounds = 2 * replacement.before.ids.len() + SPARE_ROUNDS;
        replacement.run(rounds, || self.is_obeyed(cgroup, program))?;
        Ok(Attachment { replacement, lock })
    }

    fn begin<'a>(
        self,
        cgroup: BorrowedFd<'a>,
        program: &'a Loaded,
        above: NearestAbove<'a>,
    ) -> Result<Replacement<'a, CgroupList<'a>>, AttachError> {
        let list = CgroupList(cgroup);
        Ok(Replacement {
            before: list.look()?,
            list,
            program: program.descriptor(),
            id: program.id(),
            how: self,
            above,
            progress: Progress::new(),
        })
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

impl<L: List> Replacement<'_, L> {
    /// Settles within these rounds and checks the outcome, or undoes it.
    pub(super) fn run(
        &mut self,
        rounds: usize,
        check: impl FnOnce() -> Result<(), AttachError>,
    ) -> Result<(), AttachError> {
        self.settle(rounds).and_then(|()| check()).map_err(|cause| match self.undo() {
            Ok(()) => cause,
            Err(state) => AttachError::NotUndone { state, cause: Box::new(cause) },
        })
    }
}

impl Attachment<'_> {
    /// What it came to. What gave way is gone for good.
    pub fn keep(self) -> Outcome {
        let id = self.replacement.id;
        let Progress::<OwnedFd> { removed, left, overridden, .. } = self.replacement.progress;
        let detached = removed.into_iter().map(|old| old.id);
        // A program can be attached twice, by itself and by a link.
        let detached = detached.filter(|id| !left.contains_key(id)).collect();
        let stays_by_right = |id: &ProgId| {
            let program = Program::by_id(*id);
            program.is_ok_and(|program| program.is_named_observer())
        };
        let left = left.into_iter();
        let left =
            left.filter(|(id, why)| *why != LeftReason::Link || !stays_by_right(id)).collect();
        Outcome { id, detached, left, overridden, unlocked: self.lock.err() }
    }

    /// Restores what was attached before.
    ///
    /// # Errors
    /// How what is attached now differs from that.
    pub fn undo(mut self) -> Result<(), NotRestored> {
        self.replacement.undo()
    }
}

#[cfg(test)]
mod tests;
