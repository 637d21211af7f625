//! From the id of a cgroup to the container that it belongs to, whatever the engine.
//!
//! What is in a container's cgroup is the container's to name. So a cgroup belongs to the container
//! that root's files name for it or for one above (devgate's records, the states of runtimes), or
//! else to the outermost cgroup whose name holds a container's id.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::index::RecordIndex;
use super::named::{Engines, Pod};
use super::names::container_id;
use super::record::Record;
use super::states::{Bundled, StateIndex};
use crate::cgroup::{Cgroup, CgroupError};

/// For so long a container that starts may not be known to its runtime or its engine.
const STARTS: Duration = Duration::from_secs(30);
/// After this it is looked up again; later after a part of the time for which it was looked up.
const AGAIN: Duration = Duration::from_millis(10);
const PART: u32 = 8;

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// What its engine calls it, if that is known.
    pub name: Option<String>,
    /// Its pod, if it has one that is known.
    pub pod: Option<Pod>,
    /// Its cgroup.
    pub cgroup: PathBuf,
    /// That cgroup's id.
    pub cgroup_id: u64,
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The cgroup.
    pub cgroup: PathBuf,
    /// The container that it is, or that it is in.
    pub container: Option<Rc<Named>>,
}

/// Why a cgroup can't be named.
#[derive(Debug, Error)]
pub enum NamingError {
    /// It was removed before it was looked at.
    #[error("the cgroup was removed before devgate could look at it")]
    Gone,
    /// It can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

/// Names cgroups, and remembers what was learnt while they lived.
#[derive(Debug, Default)]
pub struct Naming {
    records: RecordIndex,
    states: StateIndex,
    engines: Engines,
    /// `None`: it was gone before it was looked at.
    places: HashMap<u64, Option<Known>>,
}

#[derive(Debug)]
struct Known {
    place: Rc<Place>,
    first: Instant,
    looked: Instant,
}

impl Known {
    /// Whether there is nothing more to be learnt by now.
    fn is_settled(&self, now: Instant) -> bool {
        let is_named = self.place.container.as_ref().is_some_and(|it| it.name.is_some());
        let age = self.looked.saturating_duration_since(self.first);
        is_named
            || age > STARTS
            || now.saturating_duration_since(self.looked) < AGAIN.max(age / PART)
    }
}

impl Naming {
    /// The place of the cgroup with this id, as it is or as it was. Of one that was gone before it
    /// was looked at, the container's record tells, if there is one.
    ///
    /// # Errors
    /// It was gone before it was looked at and has no record, or can't be opened.
    pub fn place(&mut self, cgroup_id: u64) -> Result<Rc<Place>, NamingError> {
        let now = Instant::now();
        let first = match self.places.get(&cgroup_id) {
            Some(None) => return Err(NamingError::Gone),
            Some(Some(known)) if known.is_settled(now) => return Ok(Rc::clone(&known.place)),
            Some(Some(known)) => known.first,
            None => now,
        };
        if let Some(cgroup) = Cgroup::of_id(cgroup_id)? {
            let place = Rc::new(self.look(&cgroup));
            let known = Known { place: Rc::clone(&place), first, looked: now };
            self.places.insert(cgroup_id, Some(known));
            return Ok(place);
        }
        let recorded = match self.places.get(&cgroup_id) {
            Some(Some(_)) => None,
            // Its record goes after it.
            _ => self.records.of_cgroup(cgroup_id).map(|record| self.recorded(&record)),
        };
        if let Some(place) = recorded {
            let place = Rc::new(place);
            let known = Known { place: Rc::clone(&place), first, looked: first + 2 * STARTS };
            self.places.insert(cgroup_id, Some(known));
            return Ok(place);
        }
        match self.places.entry(cgroup_id).or_default() {
            Some(known) => {
                known.looked = known.first + 2 * STARTS;
                Ok(Rc::clone(&known.place))
            }
            None => Err(NamingError::Gone),
        }
    }

    /// The place of a record, whose cgroup is gone.
    fn recorded(&mut self, record: &Record) -> Place {
        let id = record.id.to_string();
        let bundle = record.bundle.as_deref();
        let called = bundle.map(|bundle| self.engines.called(bundle, &id)).unwrap_or_default();
        let (cgroup, cgroup_id) = (record.cgroup.path.clone(), record.cgroup.id);
        let (name, pod) = (called.name, called.pod);
        let named = Named { id, name, pod, cgroup: cgroup.clone(), cgroup_id };
        Place { cgroup, container: Some(Rc::new(named)) }
    }

    /// Forgets a cgroup.
    pub fn forget(&mut self, cgroup_id: u64) {
        self.places.remove(&cgroup_id);
    }

    fn look(&mut self, cgroup: &Cgroup) -> Place {
        let container = self.container(cgroup).map(Rc::new);
        Place { cgroup: cgroup.path().to_owned(), container }
    }

    fn container(&mut self, cgroup: &Cgroup) -> Option<Named> {
        // The root is no container's.
        let names = cgroup.name().ancestors().take_while(|name| name.parent().is_some());
        let paths = cgroup.path().ancestors();
        let levels: Vec<(&Path, &Path, u64)> = names
            .zip(paths)
            .filter_map(|(name, path)| Some((name, path, fs::metadata(path).ok()?.ino())))
            .collect();
        let known = levels.iter().find_map(|level @ (name, _, id)| {
            let record =
                self.records.of_cgroup(*id).map(|record| (record.id.to_string(), record.bundle));
            let of_state = || {
                let Bundled { id, bundle } = self.states.of_cgroup(name)?;
                Some((id, Some(bundle)))
            };
            Some((level, record.or_else(of_state)?))
        });
        let mut outermost = || {
            let (level, id) = levels
                .iter()
                .rev()
                .find_map(|level| Some((level, container_id(level.1)?.to_owned())))?;
            let bundle = self.states.of_id(&id);
            Some((level, (id, bundle)))
        };
        let (level, (id, bundle)) = match known {
            Some(known) => known,
            None => outermost()?,
        };
        let called = bundle.map(|bundle| self.engines.called(&bundle, &id)).unwrap_or_default();
        let (_, path, cgroup_id) = *level;
        let cgroup = path.to_owned();
        Some(Named { id, name: called.name, pod: called.pod, cgroup, cgroup_id })
    }
}
