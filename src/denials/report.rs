//! `devgate denials`: what was denied, of containers that run and of those that ended.

use std::collections::BTreeMap;
use std::path::Path;

use super::StandingError;
use super::denied::Denied;
use super::ended::{EndedError, EndedStore};
use super::resolver::{Clock, Resolver};
use super::standing::since;
use crate::cgroup::CgroupIds;
use crate::container::Time;
use crate::observe::{Method, NO_ROOM, OBSERVE, Observer};

/// What was denied since the observer was started.
#[derive(Debug)]
pub struct Report {
    /// When that was.
    pub since: Time,
    /// How it comes to its verdicts.
    pub method: Method,
    /// The containers that were denied something or lost requests: those that ended first.
    pub containers: Vec<Denied>,
    /// Requests of cgroups for which there was no room at all.
    pub lost_without_room: u64,
    /// Files of ended containers that can't be read.
    pub unreadable: Vec<EndedError>,
}

/// What was denied; `None` if nothing is observed.
///
/// # Errors
/// It can't be told.
pub fn report() -> Result<Option<Report>, StandingError> {
    let pins = Path::new(OBSERVE);
    let Some(observer) = Observer::pinned(pins)? else { return Ok(None) };
    let (since, clock) = (since(pins), Clock::now());
    // The map first: what is moved meanwhile is then seen twice and not never.
    let mut rooms = observer.observations().by_room()?;
    let lost_without_room = rooms.remove(&NO_ROOM).map_or(0, |room| room.lost);
    let (ended, unreadable) = match EndedStore::existing()? {
        Some(store) => store.all()?,
        None => (Vec::new(), Vec::new()),
    };
    let alive = CgroupIds::new()?;
    let mut resolver = Resolver::default();
    let mut all: BTreeMap<u64, Denied> =
        ended.into_iter().map(|denied| (denied.cgroup_id, denied)).collect();
    for account in resolver.accounts(rooms)? {
        let denied = resolver.denied(&account, &alive, clock)?;
        let id = denied.cgroup_id;
        match all.remove(&id) {
            Some(known) => all.insert(id, known.with(denied)),
            None => all.insert(id, denied),
        };
    }
    let mut containers: Vec<Denied> =
        all.into_values().filter(|denied| !denied.is_nothing()).collect();
    containers.sort_by_key(|denied| (denied.ended.is_none(), denied.ended, denied.cgroup_id));
    for denied in &mut containers {
        denied.denials.sort_by_key(|denial| {
            (denial.first, denial.request.access_type(), denial.request.major, denial.request.minor)
        });
    }
    let method = observer.method();
    Ok(Some(Report { since, method, containers, lost_without_room, unreadable }))
}
