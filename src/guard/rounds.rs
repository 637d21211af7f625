//! The guard's rounds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use thiserror::Error;

use super::Options;
use super::actions::failed;
use super::event::Event;
use super::finder::Finder;
use super::observing::Observing;
use super::record_watch::{Changed, RecordWatch};
use super::recordings::Recordings;
use super::trouble::Trouble;
use super::watched::{Glance, Watched};
use crate::container::{ContainerId, RecordStore, StoreError};
use crate::errors::chain;
use crate::hold::{PINS, Pins};
use crate::run_dir::{RunDir, RunDirError};

/// Why no guard can run.
#[derive(Debug, Error)]
pub enum GuardError {
    /// The directory of records can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// Changes of records can't be seen.
    #[error("{} can't be watched", path.display())]
    Watch {
        /// The directory of records.
        path: PathBuf,
        /// Why: ENOSPC if there are as many watches as fs.inotify.max_user_watches says.
        source: io::Error,
    },
    /// The records can't be listed.
    #[error(transparent)]
    Records(#[from] StoreError),
}

/// A guard and what it watches.
#[derive(Debug)]
pub struct Guard {
    pub(super) options: Options,
    pub(super) records: RecordStore,
    watch: RecordWatch,
    pub(super) watched: BTreeMap<ContainerId, Watched>,
    /// Records that can't be used, and why.
    unusable: HashMap<ContainerId, Trouble>,
    pub(super) finder: Finder,
    /// When the directory of pins last changed, as far as it was listed.
    pins_listed: Option<SystemTime>,
    pub(super) recordings: Recordings,
    observing: Observing,
    pub(super) events: Vec<Event>,
}

impl Guard {
    /// A guard that has not looked yet.
    ///
    /// # Errors
    /// The directory of records can't be used.
    pub fn new(options: Options) -> Result<Guard, GuardError> {
        let records = RecordStore::records(&RunDir::open()?)?;
        let watch = watch(&records)?;
        let finder = Finder::new(options.runtime_roots.clone());
        let mut guard = Guard {
            options,
            records,
            watch,
            watched: BTreeMap::new(),
            unusable: HashMap::new(),
            finder,
            pins_listed: None,
            recordings: Recordings::default(),
            observing: Observing::default(),
            events: Vec::new(),
        };
        guard.load_all()?;
        Ok(guard)
    }

    /// How many containers it watches.
    pub fn watched(&self) -> usize {
        self.watched.len()
    }

    /// One round: looks at every container, and mends what is amiss.
    ///
    /// # Errors
    /// The records can't be listed. What failed for one container is an event.
    pub fn look(&mut self) -> Result<Vec<Event>, GuardError> {
        self.follow_records()?;
        self.follow_pins();
        self.expire();
        self.glance();
        self.find();
        self.write_recordings();
        self.observe();
        Ok(std::mem::take(&mut self.events))
    }

    /// What containers are denied is no matter of their policies: it comes last.
    fn observe(&mut self) {
        let start = Instant::now();
        for message in self.observing.look(start) {
            self.events.push(failed(None, None, message, start));
        }
    }

    fn follow_records(&mut self) -> Result<(), GuardError> {
        match self.watch.changed() {
            Ok(Changed::These(ids)) => {
                for id in ids {
                    self.unusable.remove(&id);
                    self.load(id);
                }
                self.retry_unusable();
                Ok(())
            }
            Ok(Changed::Anything) | Err(_) => {
                self.records = RecordStore::records(&RunDir::open()?)?;
                self.watch = watch(&self.records)?;
                self.load_all()
            }
        }
    }

    fn load_all(&mut self) -> Result<(), GuardError> {
        let ids = self.records.ids()?;
        let gone: Vec<ContainerId> =
            self.watched.keys().filter(|id| !ids.contains(id)).cloned().collect();
        for id in ids.into_iter().chain(gone) {
            self.load(id);
        }
        Ok(())
    }

    fn retry_unusable(&mut self) {
        let now = Instant::now();
        let due = self.unusable.iter().filter(|(_, trouble)| !trouble.waits(now));
        for id in due.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.load(id);
        }
    }

    /// Reads a container's record, and watches it from now on.
    pub(super) fn load(&mut self, id: ContainerId) {
        let start = Instant::now();
        self.reconsider_sharers(&id);
        self.watched.remove(&id);
        let message = match self.records.get(&id) {
            Ok(None) => {
                self.unusable.remove(&id);
                return self.finder.reconsider(&id);
            }
            Ok(Some(record)) => match Watched::of(&record) {
                Ok(None) => return,
                Ok(Some(watched)) => {
                    self.unusable.remove(&id);
                    self.watched.insert(id.clone(), watched);
                    return self.reconsider_sharers(&id);
                }
                Err(error) => chain(&error),
            },
            Err(error) => chain(&error),
        };
        // It is told once, and read again when it is written.
        if self.unusable.entry(id.clone()).or_default().add(&message, start) {
            self.events.push(failed(Some(id), None, message, start));
        }
    }

    /// The other containers that have a record of this one's cgroup: all but one are wrong, and who
    /// knows which.
    pub(super) fn sharers(&self, id: &ContainerId) -> impl Iterator<Item = &ContainerId> {
        let cgroup_id = self.watched.get(id).map(|watched| watched.cgroup_id);
        let shares = move |(other, watched): &(&ContainerId, &Watched)| {
            *other != id && Some(watched.cgroup_id) == cgroup_id
        };
        self.watched.iter().filter(shares).map(|(other, _)| other)
    }

    /// They are looked at once more, for this one's record comes or goes.
    fn reconsider_sharers(&mut self, id: &ContainerId) {
        for other in self.sharers(id).cloned().collect::<Vec<_>>() {
            if let Some(watched) = self.watched.get_mut(&other) {
                watched.settled = None;
                watched.trouble.clear();
            }
        }
    }

    /// A pin can be removed while somebody holds its link open: the cgroup's list is then as
    /// before, and the link goes at any time.
    fn follow_pins(&mut self) {
        let changed = fs::metadata(PINS).and_then(|found| found.modified()).ok();
        if changed.is_some() && changed == self.pins_listed {
            return;
        }
        let ids = Pins::open(PINS.as_ref()).and_then(|pins| pins.ids());
        let ids: HashSet<u64> = ids.unwrap_or_default().into_iter().collect();
        for watched in self.watched.values_mut() {
            if watched.has_pin && !ids.contains(&watched.cgroup_id) {
                // Missed once: where there is no bpffs any more, no pin can be made.
                watched.has_pin = false;
                watched.settled = None;
            }
        }
        let is_old = |time: &SystemTime| time.elapsed().is_ok_and(|age| age.as_secs() > 0);
        self.pins_listed = changed.filter(is_old);
    }

    fn glance(&mut self) {
        let now = Instant::now();
        let mut changed = Vec::new();
        self.watched.retain(|id, watched| match watched.glance() {
            Glance::Same => true,
            Glance::Changed => {
                if !watched.trouble.waits(now) {
                    changed.push(id.clone());
                }
                true
            }
            // Its record and its pin are for who ends it to remove, or the next sweep.
            Glance::Gone => false,
        });
        for id in changed {
            self.mend(id);
        }
    }
}

fn watch(records: &RecordStore) -> Result<RecordWatch, GuardError> {
    let path = records.dir();
    RecordWatch::new(path).map_err(|source| GuardError::Watch { path: path.to_owned(), source })
}
