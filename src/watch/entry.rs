//! Requests that are alike, counted since the watch began.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use super::Happened;
use crate::container::Place;
use crate::device::Request;
use crate::inspect::Explanation;
use crate::observe::{Observed, Requester, Seen};
use crate::policy::Verdict;

/// Entries that are kept. When there are more, those that happened longest ago go.
const MOST: usize = 1 << 15;

/// What makes requests alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The cgroup of those who asked.
    pub cgroup_id: u64,
    /// What they asked.
    pub request: Request,
    /// What they were answered; `None` if that can't be told.
    pub verdict: Option<Verdict>,
}

/// Requests that are alike.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What makes them alike.
    pub key: Key,
    /// How many there were since the watch began.
    pub count: u64,
    /// When the last was, on CLOCK_MONOTONIC.
    pub last: Duration,
    /// Who asked last, if the kernel tells.
    pub by: Option<Requester>,
    /// Where they came from, or why that can't be told.
    pub place: Result<Rc<Place>, Rc<str>>,
    /// Why they were answered like this, or why that can't be told.
    pub explained: Result<Rc<Explanation>, Rc<str>>,
}

impl Entry {
    pub(super) fn happened(&self, is_event: bool) -> Happened {
        let Entry { key, count, last: time, ref by, .. } = *self;
        Happened { key, is_event, count, time, by: by.clone() }
    }

    /// The explanation, if it is one of this verdict: programs may have changed since.
    pub fn explanation(&self) -> Result<&Explanation, String> {
        let explanation = self.explained.as_deref().map_err(ToString::to_string)?;
        match (self.key.verdict, explanation.verdict()) {
            (Some(seen), Some(now)) if seen != now => {
                let now = match now {
                    Verdict::Allow => "allow",
                    Verdict::Deny => "deny",
                };
                Err(format!("its programs were changed since: those attached now {now} this"))
            }
            _ => Ok(explanation),
        }
    }
}

type Row = (u64, Request, Seen);

/// All entries, and what was counted of each row.
#[derive(Debug, Default)]
pub(super) struct Entries {
    entries: HashMap<Key, Entry>,
    rows: HashMap<Row, u64>,
}

fn row(observed: &Observed) -> Row {
    (observed.cgroup_id, observed.request, observed.seen)
}

impl Entries {
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Whether the row was counted further than it is known.
    pub fn is_news(&self, observed: &Observed) -> bool {
        self.rows.get(&row(observed)).is_none_or(|known| *known < observed.count)
    }

    /// Adds news of a row to its entry.
    pub fn add(
        &mut self,
        observed: Observed,
        place: Result<Rc<Place>, Rc<str>>,
        explained: Result<Rc<Explanation>, Rc<str>>,
    ) -> Option<&Entry> {
        let before = self.rows.insert(row(&observed), observed.count).unwrap_or(0);
        let Observed { cgroup_id, request, seen, count, last, last_by: by, .. } = observed;
        let verdict = match seen {
            Seen::Verdict(verdict) => Some(verdict),
            Seen::Untold => explained.as_ref().ok().and_then(|explained| explained.verdict()),
        };
        let key = Key { cgroup_id, request, verdict };
        let known = self.entries.remove(&key);
        let count = match (seen, &known) {
            (Seen::Verdict(_), _) => count,
            // What the verdict is may have changed since, so only what is new is counted as this.
            (Seen::Untold, known) => {
                known.as_ref().map_or(0, |known| known.count) + count.saturating_sub(before)
            }
        };
        let entry = Entry { key, count, last, by, place, explained };
        let entry = match known {
            // An earlier explanation of this verdict is better than one of another.
            Some(known) if entry.explanation().is_err() && known.explanation().is_ok() => {
                Entry { explained: known.explained, ..entry }
            }
            _ => entry,
        };
        if self.entries.len() >= MOST {
            self.drop_oldest();
        }
        self.entries.insert(key, entry);
        self.entries.get(&key)
    }

    /// The rows of these cgroups are removed. Their entries stay.
    pub fn end_rows(&mut self, cgroups: &HashSet<u64>) {
        self.rows.retain(|(cgroup, ..), _| !cgroups.contains(cgroup));
    }

    fn drop_oldest(&mut self) {
        let mut times: Vec<Duration> = self.entries.values().map(|entry| entry.last).collect();
        let quarter = times.len() / 4;
        let (_, limit, _) = times.select_nth_unstable(quarter);
        let limit = *limit;
        self.entries.retain(|_, entry| entry.last > limit);
    }
}
