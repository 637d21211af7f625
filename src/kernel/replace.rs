//! The rounds of a replacement: each makes one change towards the goal.
//!
//! What holds after every call, whichever call fails, whoever else changes the list, and wherever
//! devgate is killed:
//! - the list allows no more than the old programs did, or no more than the new one does;
//! - it is empty only if it was empty before.
//!
//! [`Replacement::settle`] succeeds only when a look shows the new program and no stale one but
//! those that it reports as left. If it fails, [`Replacement::undo`] leaves the programs of
//! before, or tells how the list differs.

use std::collections::{BTreeMap, BTreeSet};

use nix::errno::Errno;

use super::above::NearestAbove;
use super::attach::{DirectAttach, LeftReason, Overridden, OverrideAncestor, Stale};
use super::attach_error::AttachError;
use super::list::{Joining, List};
use super::load::NAME_PREFIX;
use super::program::ProgId;
use super::query::{AttachFlags, Attached};
use crate::bpf::Insn;

/// A replacement under way.
pub(super) struct Replacement<'a, L: List> {
    pub list: L,
    pub program: &'a L::Program,
    pub id: ProgId,
    pub how: DirectAttach,
    pub above: NearestAbove<'a>,
    /// What the first look showed.
    pub before: Attached,
    pub progress: Progress<L::Program>,
}

/// What was done and found so far.
pub(super) struct Progress<P> {
    /// Whether the kernel knows BPF_F_REPLACE (5.6 and later).
    pub can_replace: bool,
    /// The list's flags when the new program joined it.
    pub inserted: Option<AttachFlags>,
    /// Stale programs that were taken off, kept in the kernel to be put back.
    pub removed: Vec<Removed<P>>,
    /// Stale programs that stay, and why.
    pub left: BTreeMap<ProgId, LeftReason>,
    /// Programs that are not stale.
    kept: BTreeSet<ProgId>,
    /// Programs that were listed and could not be found, once.
    vanished: BTreeSet<ProgId>,
    pub overridden: Option<Overridden>,
}

impl<P> Progress<P> {
    pub fn new() -> Progress<P> {
        Progress {
            can_replace: true,
            inserted: None,
            removed: Vec::new(),
            left: BTreeMap::new(),
            kept: BTreeSet::new(),
            vanished: BTreeSet::new(),
            overridden: None,
        }
    }
}

/// A program that was taken off.
pub(super) struct Removed<P> {
    pub id: ProgId,
    pub program: P,
    /// A program with the same instructions that stayed when this one was taken off before the
    /// new program was there, to make room for that.
    pub twin: Option<ProgId>,
    pub back: Back,
}

/// Whether undoing put a program back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    No,
    /// The kernel says that it is attached already; the next look tells.
    Claimed,
    Yes,
}

impl<P> Removed<P> {
    fn new((id, program): (ProgId, P)) -> Removed<P> {
        Removed { id, program, twin: None, back: Back::No }
    }
}

/// What a look says is to be done next.
enum Next<P> {
    Insert(Option<(ProgId, P)>),
    Remove((ProgId, P)),
    /// A program was listed and is gone, or seems to be.
    LookAgain,
    Nothing,
}

/// A search for a stale program that is not known to stay.
enum Search<P> {
    Found((ProgId, P)),
    Vanished,
    None,
}

impl<L: List> Replacement<'_, L> {
    /// Rounds until the goal is seen.
    pub fn settle(&mut self, rounds: usize) -> Result<(), AttachError> {
        let mut attached = self.before.clone();
        for round in 0..=rounds {
            self.progress.left.retain(|id, _| attached.ids.contains(id));
            match self.next(&attached) {
                Next::Nothing => return Ok(()),
                _ if round == rounds => break,
                Next::Insert(stale) => self.insert(&attached, stale)?,
                Next::Remove(stale) => self.remove(&attached, stale),
                Next::LookAgain => {}
            }
            attached = self.list.look()?;
        }
        Err(AttachError::Contended { rounds })
    }

    fn next(&mut self, attached: &Attached) -> Next<L::Program> {
        match (self.next_stale(attached), attached.ids.contains(&self.id)) {
            (Search::Vanished, _) => Next::LookAgain,
            (Search::Found(stale), true) => Next::Remove(stale),
            (Search::Found(stale), false) => Next::Insert(Some(stale)),
            (Search::None, false) => Next::Insert(None),
            (Search::None, true) => Next::Nothing,
        }
    }

    fn next_stale(&mut self, attached: &Attached) -> Search<L::Program> {
        let mut search = Search::None;
        for &id in &attached.ids {
            match self.open_if_stale(id) {
                Ok(Some(program)) => return Search::Found((id, program)),
                Ok(None) => {}
                // Gone meanwhile, as the next look shows.
                Err(Errno::ENOENT) if self.progress.vanished.insert(id) => {
                    search = Search::Vanished;
                }
                Err(errno) => {
                    self.progress.left.insert(id, LeftReason::Unopened(errno));
                }
            }
        }
        search
    }

    /// The program, if it is to go and not known to stay.
    fn open_if_stale(&mut self, id: ProgId) -> nix::Result<Option<L::Program>> {
        let Progress { left, kept, .. } = &mut self.progress;
        let stays = id == self.id || left.contains_key(&id) || kept.contains(&id);
        if stays || self.how.stale == Stale::None {
            return Ok(None);
        }
        let program = self.list.open(id)?;
        if self.how.stale == Stale::All {
            return Ok(Some(program));
        }
        match self.list.name(&program) {
            Some(name) if name.starts_with(NAME_PREFIX) => return Ok(Some(program)),
            Some(_) => {
                kept.insert(id);
            }
            None => {
                left.insert(id, LeftReason::Unnamed);
            }
        }
        Ok(None)
    }

    /// Puts the new program in: in place of a stale one where that can be done.
    pub fn insert(
        &mut self,
        attached: &Attached,
        stale: Option<(ProgId, L::Program)>,
    ) -> Result<(), AttachError> {
        if attached.ids.is_empty() {
            self.check_above()?;
        }
        let single = attached.single();
        if let Some(id) = single {
            self.check_single(id, attached.flags, stale.is_some())?;
        }
        let flags = if single.is_some() { attached.flags } else { AttachFlags::MULTI };
        let joining = match &stale {
            Some((_, program)) if single.is_none() && self.progress.can_replace => {
                Joining::InPlaceOf(program)
            }
            _ => Joining::With(flags),
        };
        let replaces = matches!(joining, Joining::InPlaceOf(_));
        match (self.list.attach(self.program, joining, attached.revision), stale) {
            (Ok(()), stale) => {
                self.progress.inserted = Some(flags);
                let gone = stale.filter(|_| replaces || single.is_some());
                self.progress.removed.extend(gone.map(Removed::new));
            }
            (Err(Errno::ESTALE), _) => {}
            // Not attached, or not by the list of programs: if the next look still shows it, a
            // link holds it.
            (Err(Errno::ENOENT), Some((id, _))) if replaces => {
                self.progress.left.insert(id, LeftReason::Link);
            }
            (Err(Errno::EINVAL), _) if replaces => self.progress.can_replace = false,
            (Err(Errno::EPERM), _) => return Err(AttachError::Permission(Errno::EPERM)),
            (Err(Errno::E2BIG), _) if self.remove_duplicate(attached) => {}
            (Err(Errno::E2BIG), _) => {
                return Err(AttachError::TooMany { count: attached.ids.len() });
            }
            (Err(errno), _) => return Err(AttachError::Attach(errno)),
        }
        Ok(())
    }

    /// A cgroup's first program takes an override program of a cgroup above it out of force.
    fn check_above(&mut self) -> Result<(), AttachError> {
        let in_force = self.list.effective()?;
        if in_force.is_empty() {
            return Ok(());
        }
        let nearest = (self.above)().map_err(AttachError::Above)?;
        let overridden = match nearest {
            Some((cgroup, attached)) if attached.flags == AttachFlags::OVERRIDE => {
                Overridden { cgroup: Some(cgroup), ids: attached.ids }
            }
            // Others are in force together with those of the cgroups below, or tolerate none.
            Some(_) => return Ok(()),
            None => Overridden { cgroup: None, ids: in_force },
        };
        match self.how.override_ancestor {
            OverrideAncestor::Refuse => Err(AttachError::Overrides(overridden)),
            OverrideAncestor::Replace => {
                self.progress.overridden = Some(overridden);
                Ok(())
            }
        }
    }

    /// Whether the new program may take the place of the only one of a list for a single program.
    fn check_single(
        &self,
        id: ProgId,
        flags: AttachFlags,
        is_stale: bool,
    ) -> Result<(), AttachError> {
        match (self.progress.left.get(&id), is_stale) {
            (Some(&reason), _) => Err(AttachError::SingleLeft { id, flags, reason }),
            (None, false) => Err(AttachError::Exclusive { id, flags }),
            // A list's flags can only change while it is empty.
            (None, true) if flags == AttachFlags::OVERRIDE => Err(AttachError::Override { id }),
            (None, true) => Ok(()),
        }
    }

    /// With as many programs as the kernel takes, not even one can be replaced (seen on 5.10 to
    /// 7.2). So takes a stale one off of which there is another with the same instructions: what
    /// is allowed stays the same. Returns whether another look is worth it.
    fn remove_duplicate(&mut self, attached: &Attached) -> bool {
        let mut seen: Vec<(ProgId, Vec<Insn>)> = Vec::new();
        for &id in &attached.ids {
            let Some(insns) = self.list.insns(id) else { continue };
            let Some(&(twin, _)) = seen.iter().find(|(_, other)| *other == insns) else {
                seen.push((id, insns));
                continue;
            };
            let Ok(Some(program)) = self.open_if_stale(id) else { continue };
            match self.list.detach(&program, attached.revision) {
                Ok(()) => {
                    let removed = Removed::new((id, program));
                    self.progress.removed.push(Removed { twin: Some(twin), ..removed });
                    return true;
                }
                Err(Errno::ESTALE) => return true,
                Err(_) => {}
            }
        }
        false
    }

    /// With the new program in, takes a stale one off.
    fn remove(&mut self, attached: &Attached, stale: (ProgId, L::Program)) {
        let reason = match self.list.detach(&stale.1, attached.revision) {
            Ok(()) => return self.progress.removed.push(Removed::new(stale)),
            Err(Errno::ESTALE) => return,
            Err(Errno::ENOENT) => LeftReason::Link,
            Err(errno) => LeftReason::Undetached(errno),
        };
        self.progress.left.insert(stale.0, reason);
    }
}

#[cfg(test)]
mod tests;
