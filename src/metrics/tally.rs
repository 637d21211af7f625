//! Counters of denials whose number is bounded.
//!
//! An observer counts a row for each cgroup, device and access; there may be half a million. The
//! largest series have a counter each, and all others share one, "other". A counter must not go back,
//! since Prometheus takes that for a restart and counts all of it again. So a counter is not the
//! sum of the rows that it stands for now: each denial is added to one counter once, to that in
//! which its series was when it was seen.
//!
//! - A series that comes up from "other" begins at what it had when it last was shown (0, if never):
//!   what was denied before stays in "other". Where no row of its cgroups was in "other", it was not
//!   there either, so it begins at its full count.
//! - A series gives way only to one that is more than twice as large. So each place is handed on
//!   64 times at most while an observer runs, and mostly never.
//! - A series ends with its rows. What its container was still denied between the last look and its
//!   end is read from what was kept of it then, and belongs to "other": a container that lives
//!   for a second between two looks is counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::series::{Owner, Series, by_count};

/// Denied requests of a cgroup that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The cgroup's id.
    pub cgroup: u64,
    /// The id of the cgroup whose owner it counts for.
    pub room: u64,
    /// Where it is counted.
    pub series: Series,
    /// How often it was denied since the observer began.
    pub count: u64,
}

/// The counters, and what has to be known of the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Who cgroups belonged to when they were first seen.
    owners: BTreeMap<u64, Owner>,
    #[serde(with = "super::pairs")]
    shown: BTreeMap<Series, Counter>,
    /// Counters of series that gave way, as long as they have rows.
    #[serde(with = "super::pairs")]
    aside: BTreeMap<Series, u64>,
    /// Of each cgroup: its rows that are not shown, as they were at the last look.
    hidden: BTreeMap<u64, u64>,
    /// Cgroups that ended and are counted to the end.
    settled: BTreeSet<u64>,
    other: u64,
    total: u64,
}

/// The counter of a series that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counter {
    value: u64,
    /// The rows at the last look, by their cgroups.
    last: BTreeMap<u64, u64>,
}

/// The rows of each series now, by their cgroups.
type Current = BTreeMap<Series, BTreeMap<u64, u64>>;

fn sum(rows: &BTreeMap<u64, u64>) -> u64 {
    rows.values().copied().fold(0, u64::saturating_add)
}

fn add(sums: &mut BTreeMap<u64, u64>, cgroup: u64, count: u64) {
    let sum = sums.entry(cgroup).or_default();
    *sum = sum.saturating_add(count);
}

/// Which series come up from "other", and which go there.
#[derive(Default)]
struct Moves {
    up: BTreeSet<Series>,
    down: BTreeSet<Series>,
}

/// How much `now` is more than `before`, by cgroup. Rows only grow; should they not, nothing is
/// known to have been denied.
fn increase(now: &BTreeMap<u64, u64>, before: &BTreeMap<u64, u64>) -> u64 {
    let increases = now.iter().map(|(cgroup, count)| {
        count.saturating_sub(before.get(cgroup).copied().unwrap_or_default())
    });
    increases.fold(0, u64::saturating_add)
}

/// All rows, by cgroup.
fn sums<'r>(all: impl Iterator<Item = &'r BTreeMap<u64, u64>>) -> BTreeMap<u64, u64> {
    let mut sums = BTreeMap::new();
    all.flatten().for_each(|(cgroup, count)| add(&mut sums, *cgroup, *count));
    sums
}

impl Tally {
    /// The series with counters of their own.
    pub fn shown(&self) -> impl Iterator<Item = (&Series, u64)> {
        self.shown.iter().map(|(series, counter)| (series, counter.value))
    }

    /// What was denied to series that had no counter of their own at the time.
    pub fn other(&self) -> u64 {
        self.other
    }

    /// What was denied in all, to series that have ended by now, too.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The owner of a cgroup: what it was when it was first asked for. A removed cgroup has no path,
    /// and a series goes on under its name.
    pub fn owner(&mut self, room: u64, now: Owner) -> Owner {
        self.owners.entry(room).or_insert(now).clone()
    }

    /// Forgets all rows: another observer counts from 0. What was counted in all stays.
    pub fn restart(&mut self) {
        let settled = std::mem::take(&mut self.settled);
        *self = Tally { other: self.other, total: self.total, settled, ..Tally::default() };
    }

    /// Counts what was denied since the last look. `rows` are all there are, `ended` says what
    /// cgroups that ended had been denied then, and `top` is how many series may have a counter.
    pub fn look(&mut self, rows: &[Row], ended: &BTreeMap<u64, u64>, top: usize) {
        let mut current = Current::new();
        for row in rows.iter().filter(|row| !ended.contains_key(&row.cgroup)) {
            add(current.entry(row.series.clone()).or_default(), row.cgroup, row.count);
        }
        self.settle(ended);
        let rooms: BTreeSet<u64> = rows.iter().map(|row| row.room).collect();
        self.owners.retain(|room, _| rooms.contains(room));
        self.aside.retain(|series, _| current.contains_key(series));
        self.count_shown(&current);
        let moves = self.moves(&current, top);
        self.count_hidden(&current, &moves);
        for series in moves.down {
            let counter = self.shown.remove(&series);
            self.aside.extend(counter.map(|counter| (series, counter.value)));
        }
        for series in moves.up {
            self.show(series, &current);
        }
        let shown = &self.shown;
        self.hidden = sums(current.iter().filter(|it| !shown.contains_key(it.0)).map(|it| it.1));
    }

    fn settle(&mut self, ended: &BTreeMap<u64, u64>) {
        self.settled.retain(|cgroup| ended.contains_key(cgroup));
        for (cgroup, count) in ended {
            if self.settled.insert(*cgroup) {
                let shown = self.shown.values().filter_map(|counter| counter.last.get(cgroup));
                let known = shown.chain(self.hidden.get(cgroup)).copied();
                let increase = count.saturating_sub(known.fold(0, u64::saturating_add));
                self.other = self.other.saturating_add(increase);
                self.total = self.total.saturating_add(increase);
            }
        }
    }

    fn count_shown(&mut self, current: &Current) {
        let mut increases: u64 = 0;
        self.shown.retain(|series, counter| {
            let Some(now) = current.get(series) else { return false };
            let increase = increase(now, &counter.last);
            counter.value = counter.value.saturating_add(increase);
            counter.last.clone_from(now);
            increases = increases.saturating_add(increase);
            true
        });
        self.total = self.total.saturating_add(increases);
    }

    /// What is not shown yet belongs to "other", but for what never was there.
    fn count_hidden(&mut self, current: &Current, moves: &Moves) {
        let hidden = current.iter().filter(|(series, now)| {
            let begins = moves.up.contains(*series) && self.is_new(now);
            !self.shown.contains_key(*series) && !begins
        });
        let increase = increase(&sums(hidden.map(|(_, now)| now)), &self.hidden);
        self.other = self.other.saturating_add(increase);
        self.total = self.total.saturating_add(increase);
    }

    fn show(&mut self, series: Series, current: &Current) {
        let Some(now) = current.get(&series) else { return };
        let value = match self.is_new(now) {
            true => {
                self.total = self.total.saturating_add(sum(now));
                sum(now)
            }
            false => self.aside.remove(&series).unwrap_or_default(),
        };
        self.shown.insert(series, Counter { value, last: now.clone() });
    }

    /// Whether none of these rows was in "other" at the last look.
    fn is_new(&self, rows: &BTreeMap<u64, u64>) -> bool {
        rows.keys().all(|cgroup| !self.hidden.contains_key(cgroup))
    }

    fn moves(&self, current: &Current, top: usize) -> Moves {
        let (mut shown, mut others): (Vec<_>, Vec<_>) = current
            .iter()
            .map(|(series, now)| (series.clone(), sum(now)))
            .partition(|(series, _)| self.shown.contains_key(series));
        shown.sort_by(by_count);
        others.sort_by(by_count);
        let mut moves = Moves::default();
        moves.down.extend(shown.split_off(top.min(shown.len())).into_iter().map(|it| it.0));
        let mut free = top - shown.len();
        for (series, count) in others {
            if free > 0 {
                free -= 1;
            } else {
                let Some((smallest, its)) = shown.pop() else { break };
                if count <= its.saturating_mul(2) {
                    break;
                }
                moves.down.insert(smallest);
            }
            moves.up.insert(series);
        }
        moves
    }
}

#[cfg(test)]
mod tests;
