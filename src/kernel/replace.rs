//! The rounds of a replacement: each makes one change towards the goal.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::attach::{AttachError, LeftReason, Stale};
use super::load::{Loaded, NAME_PREFIX};
use super::program::{ProgId, Program};
use super::query::{AttachFlags, Attached, query};
use super::sys;
use crate::bpf::Insn;

/// In place of the program that is named.
pub(super) const BPF_F_REPLACE: u32 = 4;

/// A replacement under way.
pub(super) struct Replacement<'a> {
    pub cgroup: BorrowedFd<'a>,
    pub program: &'a Loaded,
    pub stale: Stale,
    /// Whether the kernel knows BPF_F_REPLACE (5.6 and later).
    pub can_replace: bool,
    /// Stale programs that were taken off, kept in the kernel to be put back.
    pub removed: Vec<(ProgId, OwnedFd)>,
    pub left: BTreeMap<ProgId, LeftReason>,
}

/// How a round ended.
pub(super) enum Round {
    Settled,
    Again,
}

impl Replacement<'_> {
    /// Rounds until the goal is seen; `attached` is what the first one goes by.
    pub(super) fn settle(
        &mut self,
        rounds: usize,
        mut attached: Attached,
    ) -> Result<(), AttachError> {
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
    pub(super) fn insert(&mut self, attached: &Attached) -> Result<Round, AttachError> {
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
    pub(super) fn undo(&mut self) -> nix::Result<()> {
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
