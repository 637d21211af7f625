//! What an observer counted, read from its maps.

use std::collections::{BTreeMap, HashSet};

use nix::errno::Errno;

use super::layout::{
    Key, REQUESTS, ROOMS, Room, RoomKey, Row, event, happened, key, observed, room, room_half, row,
    u64_at,
};
use super::{Lost, ObserveError, Observed};
use crate::kernel::{Events, Map};

/// The maps' names, in the order in which the program refers to them.
pub(super) const NAMES: [&str; 3] = ["requests", "rooms", "events"];

/// In place of a cgroup's id: what found no room at all.
pub const NO_ROOM: u64 = 0;

pub(super) type Rooms = Map<{ size_of::<RoomKey>() }, { room::BYTES }>;

/// What an observer counts. It may be read while requests are made.
#[derive(Debug)]
pub struct Observations {
    pub(super) requests: Map<{ key::BYTES }, { row::BYTES }>,
    pub(super) rooms: Rooms,
    pub(super) events: Option<Events>,
}

/// How full an observer's maps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Rows in use.
    pub rows: u32,
    /// Most rows.
    pub most_rows: u32,
    /// Containers (or other outermost cgroups) that have a room.
    pub rooms: u32,
    /// Most of them.
    pub most_rooms: u32,
}

/// What one room holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roomful {
    /// The rows that take its room, of its cgroup and of those below.
    pub rows: Vec<Observed>,
    /// Requests that it had no row for.
    pub lost: u64,
}

fn using(name: usize) -> impl Fn(Errno) -> ObserveError {
    move |errno| ObserveError::Use { name: NAMES[name], errno }
}

impl Observations {
    /// Gives every row to `each`.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn each(&self, mut each: impl FnMut(Observed)) -> Result<(), ObserveError> {
        let give = |key: &Key, row: &Row| {
            if let Some(observed) = observed(key, row) {
                each(observed);
            }
        };
        self.requests.each(give).map_err(using(REQUESTS))
    }

    /// Every row, in no order.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn read(&self) -> Result<Vec<Observed>, ObserveError> {
        let mut rows = Vec::new();
        self.each(|observed| rows.push(observed))?;
        Ok(rows)
    }

    /// What found no room, of each cgroup with a room, and of those without one.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn lost(&self) -> Result<Vec<Lost>, ObserveError> {
        let mut lost = Vec::new();
        self.each_room(|id, room| {
            let requests = u64_at(room, room::LOST);
            if requests > 0 {
                lost.push(Lost { cgroup_id: Some(id).filter(|id| *id != NO_ROOM), requests });
            }
        })?;
        Ok(lost)
    }

    /// Every row, by the id of the cgroup whose room it takes. A row whose room is gone is by the
    /// cgroup that asked. [`NO_ROOM`] has what found none.
    ///
    /// # Errors
    /// A map can't be read.
    pub fn by_room(&self) -> Result<BTreeMap<u64, Roomful>, ObserveError> {
        let mut rows = Vec::new();
        let give = |key: &Key, row: &Row| rows.extend(observed(key, row).map(|it| (*row, it)));
        self.requests.each(give).map_err(using(REQUESTS))?;
        // A row is made after its room: each room of these rows is found.
        let mut rooms = BTreeMap::new();
        self.each_room(|id, room| {
            rooms.insert(id, Roomful { rows: Vec::new(), lost: u64_at(room, room::LOST) });
        })?;
        let halves: BTreeMap<u32, u64> = rooms.keys().map(|id| (*id as u32, *id)).collect();
        for (row, observed) in rows {
            let room = halves.get(&room_half(&row)).copied().unwrap_or(observed.cgroup_id);
            rooms.entry(room).or_default().rows.push(observed);
        }
        Ok(rooms)
    }

    /// The ids of the cgroups that have a room.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn rooms(&self) -> Result<Vec<u64>, ObserveError> {
        let mut ids = Vec::new();
        self.each_room(|id, _| ids.extend(Some(id).filter(|id| *id != NO_ROOM)))?;
        Ok(ids)
    }

    /// How full the maps are.
    ///
    /// # Errors
    /// A map can't be read.
    pub fn fill(&self) -> Result<Fill, ObserveError> {
        let mut rows = 0;
        self.requests.each(|_, _| rows += 1).map_err(using(REQUESTS))?;
        let rooms = self.rooms()?.len();
        Ok(Fill {
            rows,
            most_rows: self.requests.capacity(),
            rooms: u32::try_from(rooms).unwrap_or(u32::MAX),
            // One is for what finds no room.
            most_rooms: self.rooms.capacity().saturating_sub(1),
        })
    }

    fn each_room(&self, mut each: impl FnMut(u64, &Room)) -> Result<(), ObserveError> {
        let give = |key: &RoomKey, room: &Room| each(u64::from_ne_bytes(*key), room);
        self.rooms.each(give).map_err(using(ROOMS))
    }

    /// Removes the rows of these cgroups, and their rooms with all that is in them, if they have
    /// some. What is asked there meanwhile may or may not be forgotten as well, so this is for
    /// cgroups that are gone.
    ///
    /// # Errors
    /// A map can't be changed; some rows may be gone.
    pub fn forget(&self, cgroups: &[u64]) -> Result<(), ObserveError> {
        let cgroups: HashSet<u64> = cgroups.iter().copied().filter(|id| *id != NO_ROOM).collect();
        let halves: HashSet<u32> = cgroups.iter().map(|id| *id as u32).collect();
        let mut keys: Vec<Key> = Vec::new();
        let find = |key: &Key, row: &Row| {
            if cgroups.contains(&u64_at(key, key::CGROUP)) || halves.contains(&room_half(row)) {
                keys.push(*key);
            }
        };
        self.requests.each(find).map_err(using(REQUESTS))?;
        for key in &keys {
            self.requests.remove(key).map_err(using(REQUESTS))?;
        }
        for cgroup in &cgroups {
            self.rooms.remove(&cgroup.to_ne_bytes()).map_err(using(ROOMS))?;
        }
        Ok(())
    }

    /// Gives the requests since the last call to `each`, in their order: the first of a row and
    /// those by another process than the row's last. `count` and `last_by` are those of that
    /// moment. There are none with [`super::Method::Computed`], or if no events were asked for.
    pub fn events(&mut self, mut each: impl FnMut(Observed)) {
        if let Some(events) = &mut self.events {
            events.drain(|record| {
                if let Some(observed) = happened(record) {
                    each(observed);
                }
            });
        }
    }

    /// Makes a room before anything is asked; `None` is for what finds none.
    pub(super) fn make_room(&self, cgroup: Option<u64>) -> Result<(), ObserveError> {
        make_room(&self.rooms, cgroup)
    }
}

/// Makes a room unless there is one.
pub(super) fn make_room(rooms: &Rooms, cgroup: Option<u64>) -> Result<(), ObserveError> {
    let key = cgroup.unwrap_or(NO_ROOM).to_ne_bytes();
    match rooms.add(&key, &[0; room::BYTES]) {
        // If all are taken, the container's requests are counted as lost, and it starts.
        Ok(_) | Err(Errno::E2BIG) => Ok(()),
        Err(errno) => Err(using(ROOMS)(errno)),
    }
}

const _: () = assert!(event::BYTES.is_multiple_of(8));
