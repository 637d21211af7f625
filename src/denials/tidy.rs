//! Containers that ended: their rows are moved from the observer's map to files, and their room
//! is for others.
//!
//! # Why no count is lost
//! Only rows of cgroups that are gone are moved. A cgroup is removed when no process is in it, and in
//! none below, and none can come to it any more. So nothing is asked there after the rows were
//! read, and what is removed is what was read. The file is written before a row is removed: a
//! kill leaves rows in both, which are the same.

use std::collections::HashSet;
use std::path::Path;

use super::StandingError;
use super::denied::Denied;
use super::ended::EndedStore;
use super::resolver::{Account, Clock, Resolver};
use crate::cgroup::CgroupIds;
use crate::observe::{NO_ROOM, OBSERVE, Observations, Observer};

/// Who tidies up after containers, and remembers which they were.
#[derive(Debug, Default)]
pub struct Tidier {
    resolver: Resolver,
    /// Rooms of which is known whose they are.
    known: HashSet<u64>,
}

/// What was moved.
#[derive(Debug, Default)]
pub struct Moved {
    /// Containers, or other cgroups, that were denied something.
    pub kept: usize,
    /// Those that were not: nothing of them is kept.
    pub forgotten: usize,
}

/// What is done with the rows of containers that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Move,
    Count,
}

/// Moves the rows of containers that ended. `None` if nothing is observed: then this is one open(2)
/// that fails.
///
/// # Errors
/// Rows of a container that ended are in the map still.
pub fn tidy() -> Result<Option<Moved>, StandingError> {
    once(Doing::Move)
}

/// Counts the containers whose rows [`tidy`] would move.
///
/// # Errors
/// The map can't be read.
pub fn dead() -> Result<Option<Moved>, StandingError> {
    once(Doing::Count)
}

fn once(doing: Doing) -> Result<Option<Moved>, StandingError> {
    let Some(observer) = Observer::pinned(Path::new(OBSERVE))? else { return Ok(None) };
    Tidier::default().work(observer.observations(), doing).map(Some)
}

impl Tidier {
    /// Learns whose the rooms are that are new.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn learn(&mut self, observations: &Observations) -> Result<(), StandingError> {
        let rooms: HashSet<u64> = observations.rooms()?.into_iter().collect();
        for id in rooms.difference(&self.known) {
            self.resolver.learn(*id);
        }
        self.known = rooms;
        Ok(())
    }

    /// Moves the rows of containers that ended.
    ///
    /// # Errors
    /// Rows of a container that ended are in the map still.
    pub fn tidy(&mut self, observations: &Observations) -> Result<Moved, StandingError> {
        self.work(observations, Doing::Move)
    }

    fn work(&mut self, observations: &Observations, doing: Doing) -> Result<Moved, StandingError> {
        let alive = CgroupIds::new()?;
        let mut moved = Moved::default();
        if !has_dead(observations, &alive)? {
            return Ok(moved);
        }
        let clock = Clock::now();
        let (mut store, mut gone) = (None, Vec::new());
        let mut rooms = observations.by_room()?;
        rooms.remove(&NO_ROOM);
        for account in self.resolver.accounts(rooms)? {
            if alive.has(account.cgroup_id)? {
                continue;
            }
            let denied = self.resolver.denied(&account, &alive, clock)?;
            let is_nothing = denied.is_nothing();
            *if is_nothing { &mut moved.forgotten } else { &mut moved.kept } += 1;
            if doing == Doing::Count {
                continue;
            }
            if !is_nothing {
                keep(&mut store, denied)?;
            }
            gone.extend(cgroups(&account));
        }
        // All at once: the whole map is read for that.
        if !gone.is_empty() {
            observations.forget(&gone)?;
        }
        for cgroup_id in gone {
            self.resolver.forget(cgroup_id);
            self.known.remove(&cgroup_id);
        }
        Ok(moved)
    }
}

/// The cgroups whose rows are an account's.
fn cgroups(account: &Account) -> Vec<u64> {
    match account.is_shared {
        // The room is there for others.
        true => account.rows.rows.iter().map(|row| row.cgroup_id).collect(),
        false => vec![account.cgroup_id],
    }
}

/// Most often nothing ended: then the rows are not looked up.
fn has_dead(observations: &Observations, alive: &CgroupIds) -> Result<bool, StandingError> {
    let any = |ids: &mut dyn Iterator<Item = u64>| -> Result<bool, StandingError> {
        for id in ids {
            if !alive.has(id)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if any(&mut observations.rooms()?.into_iter())? {
        return Ok(true);
    }
    // A container may share the room of a cgroup above it.
    let mut asked = HashSet::new();
    observations.each(|row| {
        asked.insert(row.cgroup_id);
    })?;
    any(&mut asked.into_iter())
}

fn keep(store: &mut Option<EndedStore>, denied: Denied) -> Result<(), StandingError> {
    let store = match store {
        Some(store) => store,
        None => store.insert(EndedStore::open()?),
    };
    Ok(store.add(denied)?)
}
