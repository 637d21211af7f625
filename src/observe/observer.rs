//! An observer: its program, its maps, and the cgroups that it is attached to.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use nix::errno::Errno;

use super::layout::SHAPES;
use super::observations::{NAMES, Observations};
use super::order::{is_overtaken, link_again};
use super::pins::{pin_link, unpin_ended};
use super::program::{Plan, program};
use super::{Method, ObserveError};
use crate::cgroup::Cgroup;
use crate::kernel::{Events, LoadError, Loaded, Map, OpenLink, ProgId, load_observer};
use crate::verify::{AllowsAll, prove_allows_all};

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All below the cgroups that are observed.
    All,
    /// Those from one cgroup and from below it. [`Method::Computed`] can't tell what is below it,
    /// and counts those from the cgroup alone.
    One {
        /// The cgroup's id.
        cgroup: u64,
        /// How far it is below the root, which is at 0; `None` if that is not seen from here.
        level: Option<i32>,
    },
}

impl Scope {
    /// That of one cgroup.
    ///
    /// # Errors
    /// Its id can't be read.
    pub fn one(cgroup: &Cgroup) -> Result<Scope, ObserveError> {
        Ok(Scope::One { cgroup: cgroup.id()?, level: cgroup.level() })
    }
}

/// Which requests are counted, where the kernel tells the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    /// All of them.
    All,
    /// Those that were denied. The others cost next to nothing.
    Denied,
}

/// What an observer is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Whose requests are counted.
    pub scope: Scope,
    /// Which of them.
    pub requests: Requests,
    /// How much room there is.
    pub size: Size,
    /// Whether there are events.
    pub events: WithEvents,
}

/// How much room an observer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows for each container: different requests that are counted.
    pub per_container: u32,
    /// Containers.
    pub containers: u32,
}

impl Default for Size {
    fn default() -> Size {
        Size { per_container: 256, containers: 2048 }
    }
}

impl Size {
    /// Most rows in all.
    const LIMIT: u32 = 1 << 24;

    fn rows(self) -> Result<u32, ObserveError> {
        let rows = self.per_container.checked_mul(self.containers);
        rows.filter(|rows| (1..=Size::LIMIT).contains(rows))
            .ok_or(ObserveError::Size { limit: Size::LIMIT })
    }
}

/// Whether an observer has a ring of events for [`Observations::events`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithEvents {
    /// It has one.
    Yes,
    /// It only counts.
    No,
}

/// Bytes of the ring: some 3,600 events.
const RING: u32 = 1 << 18;

impl Default for Task {
    /// Counts what is denied to any container.
    fn default() -> Task {
        Task {
            scope: Scope::All,
            requests: Requests::Denied,
            size: Size::default(),
            events: WithEvents::No,
        }
    }
}

/// The program for a task, proven to allow everything.
///
/// # Errors
/// A mistake in devgate: it can't be made, or not be proven.
pub fn proven(method: Method, task: Task) -> Result<AllowsAll, ObserveError> {
    let Task { scope, requests, size, events } = task;
    let events = events == WithEvents::Yes;
    let plan = Plan { method, scope, requests, rows: size.per_container, events };
    let used = if events { &SHAPES[..] } else { &SHAPES[..2] };
    Ok(prove_allows_all(program(plan)?, used.to_vec())?)
}

/// A cgroup that is observed.
#[derive(Debug)]
pub(super) struct Observes {
    pub cgroup: Cgroup,
    pub id: u64,
    /// `None` if it is pinned and was found there.
    pub link: Option<OpenLink>,
}

/// An observer in the kernel. Unless it is pinned, it ends when this is dropped, or the process
/// killed.
#[derive(Debug)]
pub struct Observer {
    pub(super) program: Loaded,
    pub(super) method: Method,
    pub(super) observations: Observations,
    pub(super) observed: Vec<Observes>,
    /// Where it is pinned.
    pub(super) dir: Option<PathBuf>,
}

impl Observer {
    /// Loads an observer, which is not attached yet.
    ///
    /// # Errors
    /// The kernel refuses its maps or its program.
    pub fn load(task: Task) -> Result<Observer, ObserveError> {
        match Observer::with(Method::Told, task) {
            // A helper function that it lacks for device programs (Linux before 6.1).
            Err(ObserveError::Load(LoadError::Rejected { .. })) => {
                let events = WithEvents::No;
                Observer::with(Method::Computed, Task { requests: Requests::All, events, ..task })
            }
            outcome => outcome,
        }
    }

    fn with(method: Method, task: Task) -> Result<Observer, ObserveError> {
        let Task { scope, size, events, .. } = task;
        let rows = size.rows()?;
        let proven = proven(method, task)?;
        let failed = |place: usize, entries| {
            move |errno| ObserveError::Map { name: NAMES[place], entries, errno }
        };
        let rooms = size.containers + 1;
        let observations = Observations {
            requests: Map::create(NAMES[0], rows).map_err(failed(0, rows))?,
            rooms: Map::create(NAMES[1], rooms).map_err(failed(1, rooms))?,
            events: match events {
                WithEvents::Yes => Some(Events::create(NAMES[2], RING).map_err(failed(2, RING))?),
                WithEvents::No => None,
            },
        };
        observations.make_room(None)?;
        if let Scope::One { cgroup, .. } = scope {
            observations.make_room(Some(cgroup))?;
        }
        let maps = [observations.requests.as_fd(), observations.rooms.as_fd()];
        let maps: Vec<BorrowedFd<'_>> =
            maps.into_iter().chain(observations.events.as_ref().map(AsFd::as_fd)).collect();
        let program = load_observer(&proven, &maps)?;
        Ok(Observer { program, method, observations, observed: Vec::new(), dir: None })
    }

    /// Attaches it to the cgroup, too, by a link: all requests from there and from below are seen
    /// from now on. `false` if it was attached there already; if a program was attached there since,
    /// it is attached again, after that one.
    ///
    /// # Errors
    /// It is the root cgroup, or in or above one that is observed; or the kernel refuses.
    pub fn observe(&mut self, cgroup: Cgroup) -> Result<bool, ObserveError> {
        if cgroup.is_root()? {
            return Err(ObserveError::Root(cgroup.path().to_owned()));
        }
        let id = cgroup.id()?;
        if let Some(observed) = self.observed.iter_mut().find(|observed| observed.id == id) {
            if is_overtaken(&cgroup, self.program.id())? {
                link_again(observed, &self.program, self.dir.as_deref())?;
            }
            return Ok(false);
        }
        let nested = |other: &&Observes| {
            cgroup.is_at_or_below(&other.cgroup) || other.cgroup.is_at_or_below(&cgroup)
        };
        if let Some(other) = self.observed.iter().find(nested) {
            let path = |cgroup: &Cgroup| cgroup.path().to_owned();
            return Err(ObserveError::Nested { cgroup: path(&cgroup), other: path(&other.cgroup) });
        }
        let link = OpenLink::create(cgroup.as_fd(), &self.program);
        let failed = |errno: Errno| ObserveError::Link { cgroup: cgroup.path().to_owned(), errno };
        let observed = Observes { link: Some(link.map_err(failed)?), cgroup, id };
        if let Some(dir) = &self.dir {
            pin_link(dir, &observed)?;
        }
        self.observed.push(observed);
        Ok(true)
    }

    /// Makes rooms for containers that run already, by the ids of their cgroups: they could make
    /// cgroups before they are denied anything, and take a room with each of these.
    ///
    /// # Errors
    /// The map can't be changed.
    pub fn make_rooms(&self, cgroups: impl IntoIterator<Item = u64>) -> Result<(), ObserveError> {
        cgroups.into_iter().try_for_each(|id| self.observations.make_room(Some(id)))
    }

    /// Whether it is not attached to the cgroup, or a program that may deny was attached there since.
    ///
    /// # Errors
    /// The cgroup's programs can't be listed.
    pub fn is_overtaken(&self, cgroup: &Cgroup) -> Result<bool, ObserveError> {
        is_overtaken(cgroup, self.program.id())
    }

    /// Attaches it again to each of its cgroups that a program was attached to since, after that one.
    /// This may be called often. A cgroup that was removed is left out.
    ///
    /// # Errors
    /// The kernel refuses for one of them; the others were seen to.
    pub fn keep_last(&mut self) -> Result<(), ObserveError> {
        let mut outcome = Ok(());
        for observed in &mut self.observed {
            let again = match is_overtaken(&observed.cgroup, self.program.id()) {
                Ok(true) => link_again(observed, &self.program, self.dir.as_deref()),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            outcome = outcome.and(again);
        }
        outcome
    }

    /// Lets go of the cgroups that were removed: their links ended with them.
    ///
    /// # Errors
    /// The pin of such a link can't be removed.
    pub fn drop_removed(&mut self) -> Result<(), ObserveError> {
        self.observed.retain(|observed| !matches!(Cgroup::of_id(observed.id), Ok(None)));
        match &self.dir {
            Some(dir) => unpin_ended(dir),
            None => Ok(()),
        }
    }

    /// How it comes to its verdicts.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Its program.
    pub fn program_id(&self) -> ProgId {
        self.program.id()
    }

    /// The cgroups that it is attached to.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        self.observed.iter().map(|observed| observed.cgroup.path().to_owned()).collect()
    }

    /// What it counts.
    pub fn observations(&self) -> &Observations {
        &self.observations
    }

    /// What it counts, to take its events.
    pub fn observations_mut(&mut self) -> &mut Observations {
        &mut self.observations
    }
}
