//! All numbers at one moment.

use thiserror::Error;

use super::containers::{Containers, ContainersError};
use super::denied::Observing;
use super::state::{StateError, Stored, peek};
use super::{Series, State};
use crate::container::Time;
use crate::denials::StandingError;
use crate::errors::chain;
use crate::guard_lock::guard_runs;
use crate::hook::stats::{self, Stats, StatsError};
use crate::observe::Method;
use crate::run_dir::{RUN_DIR, RunDir};

/// Numbers that are there or not as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Runs of the hook.
    Hook,
    /// Containers and their programs.
    Containers,
    /// What the observer counted.
    Denials,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 3] = [Part::Hook, Part::Containers, Part::Denials];

    /// Its name: the value of a label.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Hook => "hook",
            Part::Containers => "containers",
            Part::Denials => "denials",
        }
    }
}

/// Why a part is not there.
#[derive(Debug, Error)]
pub enum PartError {
    /// The hook's statistics can't be read.
    #[error(transparent)]
    Hook(#[from] StatsError),
    /// Containers can't be counted.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// Denials can't be read.
    #[error(transparent)]
    Denied(#[from] StandingError),
    /// The counters of the last look can't be read, or not be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Whether counters are kept for the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They are: this look's numbers go to Prometheus.
    Yes,
    /// Nothing is changed: somebody only looks.
    No,
}

/// What was denied, as counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denials {
    /// How the observer comes to its verdicts.
    pub method: Method,
    /// Since when it counts.
    pub since: Time,
    /// How many cgroups it is attached to.
    pub cgroups: u64,
    /// The largest series.
    pub shown: Vec<(Series, u64)>,
    /// All others.
    pub other: u64,
    /// All denied requests, of series that have ended, too.
    pub total: u64,
    /// Requests for which a container's room was too small.
    pub lost_container: u64,
    /// Requests of cgroups without any room.
    pub lost_observer: u64,
}

/// All numbers at one moment.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Runs of the hook, if they can be read.
    pub hook: Option<Stats>,
    /// Containers, if they can be counted.
    pub containers: Option<Containers>,
    /// Whether a guard runs; `None` if that can't be told.
    pub guard: Option<bool>,
    /// What was denied; `None` if nothing is observed, or that can't be read.
    pub denials: Option<Denials>,
    /// What can't be told, and why.
    pub failed: Vec<(Part, PartError)>,
    /// What the operator should know besides.
    pub notes: Vec<String>,
}

impl Numbers {
    /// Looks at everything. `top` is how many series of denials may have a counter of their own.
    pub fn take(top: usize, keep: Keep) -> Numbers {
        let mut numbers = Numbers::default();
        let run = RunDir::existing(RUN_DIR.as_ref()).ok();
        numbers.guard = run.map(|run| run.is_some_and(|run| guard_runs(&run)));
        numbers.hook = numbers.part(Part::Hook, |_| Ok(stats::read()?));
        numbers.containers = numbers.part(Part::Containers, |_| Ok(Containers::count()?));
        let denials = numbers.part(Part::Denials, |notes| denials(top, keep, notes));
        numbers.denials = denials.flatten();
        numbers
    }

    fn part<T>(
        &mut self,
        part: Part,
        take: impl FnOnce(&mut Vec<String>) -> Result<T, PartError>,
    ) -> Option<T> {
        match take(&mut self.notes) {
            Ok(numbers) => Some(numbers),
            Err(error) => {
                self.failed.push((part, error));
                None
            }
        }
    }
}

fn denials(top: usize, keep: Keep, notes: &mut Vec<String>) -> Result<Option<Denials>, PartError> {
    match keep {
        Keep::No => {
            let Some(observing) = observing(notes)? else { return Ok(None) };
            Ok(Some(count(observing, &mut peek()?, top)))
        }
        Keep::Yes => {
            // Locked first, so that looks come one after the other.
            let mut stored = Stored::open()?;
            let Some(observing) = observing(notes)? else { return Ok(None) };
            notes.extend(stored.replaced.take().map(|why| {
                format!("the counters of denials begin anew, for what was kept is unusable: {why}")
            }));
            let denials = count(observing, &mut stored.state, top);
            stored.store()?;
            Ok(Some(denials))
        }
    }
}

fn observing(notes: &mut Vec<String>) -> Result<Option<Observing>, StandingError> {
    let observing = Observing::read()?;
    let unread = observing.iter().flat_map(|observing| &observing.unread);
    notes.extend(unread.map(|error| format!("not counted: {}", chain(error))));
    Ok(observing)
}

fn count(observing: Observing, state: &mut State, top: usize) -> Denials {
    let Observing { program, method, since, cgroups, mut rows, ended, lost, .. } = observing;
    state.begin(program);
    for row in &mut rows {
        let owner = &mut row.series.owner;
        *owner = state.tally.owner(row.room, owner.clone());
    }
    state.tally.look(&rows, &ended, top);
    state.lost.look(&lost);
    let shown = state.tally.shown().map(|(series, value)| (series.clone(), value)).collect();
    let (other, total) = (state.tally.other(), state.tally.total());
    let (lost_container, lost_observer) = (state.lost.container, state.lost.observer);
    Denials { method, since, cgroups, shown, other, total, lost_container, lost_observer }
}
