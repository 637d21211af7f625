//! Watches what containers are denied, live: the rows of an observer, each with its container and
//! with the program and the rule that decide.
//!
//! Nothing of it outlives the process: the observer is held by links that are not pinned.

mod entry;
mod filter;
mod find;
mod gone;

pub use entry::{Entry, Key};
pub use filter::{Filter, Wanted};
pub use find::{FindError, find};

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::container::{Naming, Place, running};
use crate::inspect::Explainer;
use crate::observe::{
    Coverage, Lost, Method, ObserveError, Observed, Observer, Requester, Requests, Seen, Size,
    Task, WithEvents,
};
use crate::policy::Verdict;
use entry::Entries;
use gone::Living;

/// How often cgroups that were removed, and lost requests, are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Which requests are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that were denied, or whose verdict can't be told.
    Denied,
    /// All.
    All,
}

/// What a caller should say to its user.
#[derive(Debug)]
pub enum Notice {
    /// A cgroup can't be observed.
    NotObserved(ObserveError),
    /// Requests were lost, so many in all by now.
    Lost {
        /// Those of this container or cgroup; `None` for cgroups that found no room at all.
        place: Option<Rc<Place>>,
        /// How many.
        requests: u64,
    },
}

/// News of an entry, as they were at that moment.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Which entry.
    pub key: Key,
    /// Whether it is the first request of its entry, or by another process than the last.
    pub is_event: bool,
    /// How many requests there were.
    pub count: u64,
    /// When, on CLOCK_MONOTONIC.
    pub time: Duration,
    /// Who asked, if the kernel tells.
    pub by: Option<Requester>,
}

impl Happened {
    /// The entry as it was then.
    pub fn of(&self, entry: &Entry) -> Entry {
        Entry { count: self.count, last: self.time, by: self.by.clone(), ..entry.clone() }
    }
}

/// Watches containers.
#[derive(Debug)]
pub struct Watcher {
    observer: Observer,
    coverage: Coverage,
    filter: Filter,
    which: Which,
    naming: Naming,
    explainer: Explainer,
    living: Living,
    entries: Entries,
    lost: HashMap<Option<u64>, u64>,
    kept: Option<Instant>,
    notices: Vec<Notice>,
}

impl Watcher {
    /// Attaches an observer.
    ///
    /// # Errors
    /// It can't be loaded, or there are no cgroups.
    pub fn new(filter: Filter, which: Which, size: Size) -> Result<Watcher, ObserveError> {
        let coverage = match filter.cgroups() {
            Some(cgroups) => Coverage::around(cgroups)?,
            None => Coverage::all()?,
        };
        let requests = match which {
            Which::Denied => Requests::Denied,
            Which::All => Requests::All,
        };
        let task = Task { requests, size, events: WithEvents::Yes, ..Task::default() };
        let mut watcher = Watcher {
            observer: Observer::load(task)?,
            coverage,
            filter,
            which,
            naming: Naming::default(),
            explainer: Explainer::default(),
            living: Living::default(),
            entries: Entries::default(),
            lost: HashMap::new(),
            kept: None,
            notices: Vec::new(),
        };
        watcher.cover()?;
        for cgroup in watcher.observer.cgroups() {
            // One that can't be listed is gone.
            let running = running(&cgroup, &mut watcher.naming).unwrap_or_default();
            watcher.observer.make_rooms(running.iter().map(|container| container.cgroup_id))?;
        }
        Ok(watcher)
    }

    /// How verdicts are come by.
    pub fn method(&self) -> Method {
        self.observer.method()
    }

    /// How many cgroups, with all that is below them, are observed.
    pub fn observed_cgroups(&self) -> usize {
        self.observer.cgroups().len()
    }

    /// All entries of interest.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let is_allowed = |entry: &&Entry| entry.key.verdict == Some(Verdict::Allow);
        self.entries.iter().filter(move |entry| self.which == Which::All || !is_allowed(entry))
    }

    /// One entry.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Requests that were lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// What there is to say since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Takes the events, which is cheap, and covers new cgroups. What happened is given in its order.
    ///
    /// # Errors
    /// The cgroups can't be listed.
    pub fn glance(&mut self, happened: &mut Vec<Happened>) -> Result<(), ObserveError> {
        self.cover()?;
        let mut events: Vec<Observed> = Vec::new();
        self.observer.observations_mut().events(|event| events.push(event));
        for event in events {
            if let Some(entry) = self.take(event) {
                let found = entry.happened(true);
                happened.push(found);
            }
        }
        Ok(())
    }

    /// Reads every row. Entries that changed are given in the order of their last requests.
    ///
    /// # Errors
    /// The maps can't be read.
    pub fn read(&mut self, happened: &mut Vec<Happened>) -> Result<(), ObserveError> {
        self.glance(happened)?;
        let now = Instant::now();
        let is_due = |kept| now.saturating_duration_since(kept) >= HOUSEKEEPING;
        let keeps = self.kept.is_none_or(is_due);
        // Who is gone by now asks nothing more, so its rows are final when they are read below.
        let gone = if keeps { self.gone()? } else { Vec::new() };
        let mut changed: Vec<Observed> = Vec::new();
        let (entries, which, living) = (&self.entries, self.which, &self.living);
        self.observer.observations().each(|row| {
            let is_wanted = which == Which::All || row.seen != Seen::Verdict(Verdict::Allow);
            if (is_wanted && entries.is_news(&row)) || !living.knows(row.cgroup_id) {
                changed.push(row);
            }
        })?;
        // The map has no order.
        changed.sort_unstable_by_key(|row| row.last);
        for row in changed {
            if let Some(entry) = self.take(row) {
                let found = entry.happened(false);
                happened.push(found);
            }
        }
        if keeps {
            self.kept = Some(now);
            self.find_lost()?;
            self.forget(&gone)?;
        }
        Ok(())
    }

    fn cover(&mut self) -> Result<(), ObserveError> {
        let errors = self.coverage.extend(&mut self.observer)?;
        self.notices.extend(errors.into_iter().map(Notice::NotObserved));
        Ok(())
    }

    /// Takes a row or an event. Its entry, if it is of interest and there is news.
    fn take(&mut self, observed: Observed) -> Option<&Entry> {
        let Observed { cgroup_id, request, seen, .. } = observed;
        let place = self.naming.place(cgroup_id);
        if !self.living.knows(cgroup_id) {
            self.living.add(cgroup_id, place.as_ref().ok());
            // So that it can be explained when it is gone. If not, that is said with the entry.
            let _ = self.explainer.learn(cgroup_id);
        }
        let is_allowed = seen == Seen::Verdict(Verdict::Allow);
        if (is_allowed && self.which == Which::Denied) || !self.entries.is_news(&observed) {
            return None;
        }
        let place = place.map_err(|error| error.to_string().into());
        if !self.filter.matches(place.as_deref().ok()) {
            return None;
        }
        let explained = match seen {
            Seen::Verdict(told) => self.explainer.explain_told(cgroup_id, &request, told),
            Seen::Untold => self.explainer.explain(cgroup_id, &request),
        };
        let explained = explained.map_err(|error| error.to_string().into());
        let entry = self.entries.add(observed, place, explained)?;
        let is_allowed = entry.key.verdict == Some(Verdict::Allow);
        (!is_allowed || self.which == Which::All).then_some(entry)
    }

    /// The cgroups of which something is known and that were removed.
    fn gone(&mut self) -> Result<Vec<u64>, ObserveError> {
        let mut gone = self.living.gone();
        for room in self.observer.observations().rooms()? {
            if !self.living.knows(room) {
                let place = self.naming.place(room);
                self.living.add(room, place.as_ref().ok());
            }
        }
        gone.sort_unstable();
        Ok(gone)
    }

    fn forget(&mut self, gone: &[u64]) -> Result<(), ObserveError> {
        if gone.is_empty() {
            return Ok(());
        }
        self.observer.observations().forget(gone)?;
        for id in gone {
            self.naming.forget(*id);
            self.explainer.forget(*id);
            self.living.remove(*id);
            self.lost.remove(&Some(*id));
        }
        let gone: HashSet<u64> = gone.iter().copied().collect();
        self.entries.end_rows(&gone);
        Ok(())
    }

    fn find_lost(&mut self) -> Result<(), ObserveError> {
        for Lost { cgroup_id, requests } in self.observer.observations().lost()? {
            if self.lost.insert(cgroup_id, requests) == Some(requests) {
                continue;
            }
            let place = cgroup_id.and_then(|id| self.naming.place(id).ok());
            self.notices.push(Notice::Lost { place, requests });
        }
        Ok(())
    }
}
