//! What the observer of `devgate observe` counted.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

use crate::denials::{Certainty, Ended, EndedError, EndedStore};
use crate::inspect::{ExplainError, Explainer};
use crate::observe::{Lost, Method, OBSERVE, ObserveError, Observed, Observer, Roomful, Seen};
use crate::policy::Verdict;

/// Why denials can't be read.
#[derive(Debug, Error)]
pub enum DeniedError {
    /// The observer can't be read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The directory of its pins can't be looked at.
    #[error("{} can't be looked at", path.display())]
    Since {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What ended containers were denied can't be read.
    #[error(transparent)]
    Ended(#[from] EndedError),
    /// The kernel tells no verdict, and it can't be computed.
    #[error("the verdict on {request} can't be computed")]
    Explain {
        /// What was asked.
        request: String,
        /// Why.
        source: ExplainError,
    },
}

/// What an observer says.
#[derive(Debug)]
pub struct Observing {
    /// The id of its program.
    pub program: u32,
    /// How it comes to its verdicts.
    pub method: Method,
    /// Since when it counts.
    pub since: SystemTime,
    /// How many cgroups it is attached to.
    pub cgroups: u64,
    /// Requests that were denied, with the cgroup whose they are: a container's own, if it was the
    /// first that was seen.
    pub denied: Vec<(u64, Observed)>,
    /// What cgroups had been denied when they ended, by their ids.
    pub ended: BTreeMap<u64, u64>,
    /// What it had no room for.
    pub lost: Vec<Lost>,
    /// What was kept and can't be read, so that it is not counted.
    pub unread: Vec<EndedError>,
}

impl Observing {
    /// What the pinned observer says, and what was kept of containers that ended; `None` if nothing
    /// is observed.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read() -> Result<Option<Observing>, DeniedError> {
        let path = Path::new(OBSERVE);
        let Some(observer) = Observer::pinned(path)? else { return Ok(None) };
        let found = fs::metadata(path).and_then(|found| found.modified());
        let since = found.map_err(|source| DeniedError::Since { path: path.to_owned(), source })?;
        // Before the files: a row is written to one before it is removed from the map.
        let rooms = observer.observations().by_room()?;
        let lost = observer.observations().lost()?;
        let (kept, unread) = match EndedStore::existing()? {
            Some(store) => store.all()?,
            None => (Vec::new(), Vec::new()),
        };
        Ok(Some(Observing {
            program: observer.program_id().number(),
            method: observer.method(),
            since,
            cgroups: observer.cgroups().len() as u64,
            denied: denied(rooms)?,
            ended: ended(&kept),
            lost: with_ended(lost, &kept),
            unread,
        }))
    }
}

/// The rows that were denied. Where the kernel tells no verdict, it is that of the programs that are
/// attached now.
fn denied(rooms: BTreeMap<u64, Roomful>) -> Result<Vec<(u64, Observed)>, DeniedError> {
    let mut explainer = Explainer::default();
    let mut denied = Vec::new();
    for (room, roomful) in rooms {
        for row in roomful.rows {
            if verdict(&mut explainer, &row)? == Some(Verdict::Deny) {
                // Room 0 is of no cgroup.
                denied.push((if room == 0 { row.cgroup_id } else { room }, row));
            }
        }
    }
    Ok(denied)
}

/// `None` if there is no telling, for its cgroup is gone or a program is opaque.
fn verdict(explainer: &mut Explainer, row: &Observed) -> Result<Option<Verdict>, DeniedError> {
    match row.seen {
        Seen::Verdict(verdict) => Ok(Some(verdict)),
        Seen::Untold => match explainer.explain(row.cgroup_id, &row.request) {
            Ok(explanation) => Ok(explanation.verdict()),
            Err(ExplainError::Gone) => Ok(None),
            Err(source) => {
                let request = row.request.to_string();
                Err(DeniedError::Explain { request, source })
            }
        },
    }
}

/// What ended cgroups were denied in all: a container's own, and those that were below it.
fn ended(kept: &[Ended]) -> BTreeMap<u64, u64> {
    let mut sums = BTreeMap::new();
    for denial in kept.iter().flat_map(|ended| &ended.denials) {
        if denial.certainty != Certainty::Unknown {
            let sum: &mut u64 = sums.entry(denial.cgroup_id).or_default();
            *sum = sum.saturating_add(denial.count);
        }
    }
    sums
}

/// What was lost, with what was lost of containers that ended. Of one that is in both, it is the
/// later, which is the larger.
fn with_ended(lost: Vec<Lost>, kept: &[Ended]) -> Vec<Lost> {
    let ended = kept.iter().filter(|ended| ended.lost > 0);
    let ended = ended.map(|ended| (Some(ended.cgroup_id), ended.lost));
    let live = lost.into_iter().map(|lost| (lost.cgroup_id, lost.requests));
    let mut largest: BTreeMap<Option<u64>, u64> = BTreeMap::new();
    for (cgroup_id, requests) in ended.chain(live) {
        let known = largest.entry(cgroup_id).or_default();
        *known = requests.max(*known);
    }
    let lost = largest.into_iter();
    lost.map(|(cgroup_id, requests)| Lost { cgroup_id, requests }).collect()
}
