//! What the observer of `devgate observe` counted.

use std::collections::BTreeMap;
use std::path::Path;

use super::series::{Owner, Series};
use super::tally::Row;
use crate::container::Time;
use crate::denials::{Certainty, Denial, Denied, EndedError, Report, StandingError, report};
use crate::observe::{Lost, Method, OBSERVE, Observer};

/// What an observer says: the same as `devgate denials`.
#[derive(Debug)]
pub struct Observing {
    /// The id of its program.
    pub program: u32,
    /// How it comes to its verdicts.
    pub method: Method,
    /// Since when it counts.
    pub since: Time,
    /// How many cgroups it is attached to.
    pub cgroups: u64,
    /// What was denied, of cgroups that live.
    pub rows: Vec<Row>,
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
    pub fn read() -> Result<Option<Observing>, StandingError> {
        let Some(observer) = Observer::pinned(Path::new(OBSERVE))? else { return Ok(None) };
        let Some(report) = report()? else { return Ok(None) };
        let Report { since, method, containers, lost_without_room, unreadable: unread } = report;
        let mut rows = Vec::new();
        let mut ended = BTreeMap::new();
        let mut lost = vec![Lost { cgroup_id: None, requests: lost_without_room }];
        for denied in containers {
            lost.push(Lost { cgroup_id: Some(denied.cgroup_id), requests: denied.lost });
            match denied.ended {
                None => rows.extend(of_living(&denied)),
                Some(_) => add(&mut ended, &denied),
            }
        }
        let program = observer.program_id().number();
        let cgroups = observer.cgroups().len() as u64;
        Ok(Some(Observing { program, method, since, cgroups, rows, ended, lost, unread }))
    }
}

/// Where the kernel tells no verdict and none can be computed, nothing is known to be denied.
fn sure(denied: &Denied) -> impl Iterator<Item = &Denial> {
    denied.denials.iter().filter(|denial| denial.certainty != Certainty::Unknown)
}

fn of_living(denied: &Denied) -> impl Iterator<Item = Row> {
    let owner = Owner::of(denied);
    sure(denied).map(move |denial| Row {
        cgroup: denial.cgroup_id,
        room: denied.cgroup_id,
        series: Series::new(owner.clone(), &denial.request),
        count: denial.count,
    })
}

fn add(ended: &mut BTreeMap<u64, u64>, denied: &Denied) {
    for denial in sure(denied) {
        let sum = ended.entry(denial.cgroup_id).or_default();
        *sum = sum.saturating_add(denial.count);
    }
}
