//! Undoing a replacement: the old programs are put back, and then the new one is taken off.
//!
//! More programs only restrict further. So the new one stays until every old one is back, and for
//! good if one does not come back. The programs' order may differ afterwards, which changes
//! nothing that is allowed.

use std::fmt;

use nix::errno::Errno;

use super::attach_error::NotRestored;
use super::list::{Joining, List};
use super::program::ProgId;
use super::query::{AttachFlags, Attached, QueryError};
use super::replace::{Back, Removed, Replacement};

/// Steps in all. Without failures there are two, or three for a list that was full.
const STEPS: usize = 8;

impl<L: List> Replacement<'_, L> {
    /// Restores what the first look showed.
    pub fn undo(&mut self) -> Result<(), NotRestored> {
        if self.progress.inserted.is_none() && self.progress.removed.is_empty() {
            return Ok(());
        }
        // In a list that was full, the last place is for one whose twin is there.
        self.progress.removed.sort_by_key(|old| old.twin.is_some());
        let mut now = self.list.look();
        for _ in 0..STEPS {
            let tried = match &now {
                Ok(attached) => self.step(attached),
                Err(QueryError::Gone) => return Ok(()),
                Err(_) => self.step_unseen(),
            };
            if !tried {
                break;
            }
            now = self.list.look();
        }
        self.judge(now)
    }

    /// Whether there was something to do.
    fn step(&mut self, now: &Attached) -> bool {
        for old in &mut self.progress.removed {
            let listed = now.ids.contains(&old.id);
            old.back = if listed && old.back != Back::No { Back::Yes } else { Back::No };
        }
        let missing = self.missing().next().is_some();
        match now.single() {
            // One takes the other's place. Another program than ours is not ours to replace.
            Some(id) if missing => id == self.id && self.put_back_single(now),
            Some(_) => self.take_off(now),
            None if missing && now.ids.is_empty() && self.before.single().is_some() => {
                self.put_back_single(now)
            }
            None if missing => {
                let full = self.put_back();
                if full && self.only_twins_are_missing(now) {
                    self.take_off(now);
                }
                true
            }
            None => self.take_off(now),
        }
    }

    /// What is attached can't be told: only what restricts further is done.
    fn step_unseen(&mut self) -> bool {
        if self.progress.inserted != Some(AttachFlags::EXCLUSIVE) {
            self.put_back();
        }
        true
    }

    fn missing(&self) -> impl Iterator<Item = &Removed<L::Program>> {
        self.progress.removed.iter().filter(|old| old.back != Back::Yes)
    }

    /// Attaches the old programs beside what is there. Returns whether one found no room.
    fn put_back(&mut self) -> bool {
        let mut full = false;
        for old in self.progress.removed.iter_mut().filter(|old| old.back != Back::Yes) {
            match self.list.attach(&old.program, Joining::With(AttachFlags::MULTI), None) {
                Ok(()) => old.back = Back::Yes,
                Err(Errno::EINVAL) => old.back = Back::Claimed,
                Err(Errno::E2BIG) => full = true,
                Err(_) => {}
            }
        }
        full
    }

    fn put_back_single(&mut self, now: &Attached) -> bool {
        let flags = self.before.flags;
        for old in self.progress.removed.iter_mut().filter(|old| old.back != Back::Yes) {
            if self.list.attach(&old.program, Joining::With(flags), now.revision).is_ok() {
                old.back = Back::Yes;
            }
        }
        true
    }

    /// In a list that was full there is room for the last one only once the new program is off.
    /// That is one with a twin, without which the old programs allow the same.
    fn only_twins_are_missing(&self, now: &Attached) -> bool {
        self.missing()
            .map(|old| old.twin)
            .all(|twin| twin.is_some_and(|twin| now.ids.contains(&twin)))
    }

    /// Takes the new program off, unless nothing else is there where there was something.
    fn take_off(&mut self, now: &Attached) -> bool {
        let alone = now.ids == [self.id];
        let is_last = alone && !self.before.ids.is_empty();
        if !now.ids.contains(&self.id) || is_last || (now.single().is_some() && !alone) {
            return false;
        }
        if self.list.detach(self.program, now.revision).is_ok() {
            self.progress.inserted = None;
        }
        true
    }

    fn judge(&self, now: Result<Attached, QueryError>) -> Result<(), NotRestored> {
        let before = self.before.ids.clone();
        match now {
            Ok(now) if sorted(&now.ids) == sorted(&before) => Ok(()),
            Ok(now) => Err(NotRestored::Differs { before, now: now.ids }),
            Err(QueryError::Gone) => Ok(()),
            Err(query) => {
                let missing = self.missing().map(|old| old.id).collect();
                let added = self.progress.inserted.map(|_| self.id);
                Err(NotRestored::Unknown { before, missing, added, query })
            }
        }
    }
}

fn sorted(ids: &[ProgId]) -> Vec<ProgId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

/// Those of `some` that are not in `others`. An id can be in a list twice: by itself and by a link.
pub(super) fn without(some: &[ProgId], others: &[ProgId]) -> Vec<ProgId> {
    let mut others = others.to_vec();
    let mut rest = some.to_vec();
    rest.retain(|id| match others.iter().position(|other| other == id) {
        Some(place) => {
            others.swap_remove(place);
            false
        }
        None => true,
    });
    rest
}

/// Ids with commas between.
pub(super) struct Ids<'a>(pub &'a [ProgId]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("none"),
            [first, rest @ ..] => {
                write!(f, "{first}")?;
                rest.iter().try_for_each(|id| write!(f, ", {id}"))
            }
        }
    }
}
