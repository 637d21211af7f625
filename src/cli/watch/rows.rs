//! The table's rows in their order.

use std::cmp::Ordering;

use devgate::watch::{Entry, Key, Watcher};

use super::shown;

/// What the table can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Time,
    Container,
    Device,
    Command,
    Pid,
    Count,
}

/// How the table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: Column,
    pub reverse: bool,
}

impl Sort {
    /// Sorts by the column; the other way round, if that is the column already.
    pub fn toggle(&mut self, column: Column) {
        *self = match self.column == column {
            true => Sort { column, reverse: !self.reverse },
            false => Sort::by(column),
        };
    }

    /// The latest and the most first, names from A to Z.
    pub const fn by(column: Column) -> Sort {
        Sort { column, reverse: matches!(column, Column::Time | Column::Count) }
    }
}

/// The keys of all entries, in this order.
pub fn sorted(watcher: &Watcher, sort: Sort) -> Vec<Key> {
    let mut rows: Vec<(Part, &Entry)> =
        watcher.entries().map(|entry| (part(entry, sort.column), entry)).collect();
    rows.sort_unstable_by(|(a, one), (b, other)| {
        let order = a.cmp(b);
        let order = if sort.reverse { order.reverse() } else { order };
        order.then_with(|| tie(one, other))
    });
    rows.into_iter().map(|(_, entry)| entry.key).collect()
}

/// What is compared. Numbers compare as such.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u128),
    Text(String),
    Device(devgate::device::DeviceType, u32, u32),
}

fn part(entry: &Entry, column: Column) -> Part {
    let request = &entry.key.request;
    match column {
        Column::Time => Part::Number(entry.last.as_nanos()),
        Column::Container => Part::Text(shown::container(&entry.place)),
        Column::Device => Part::Device(request.device_type, request.major, request.minor),
        Column::Command => Part::Text(shown::command(entry)),
        Column::Pid => Part::Number(entry.by.as_ref().map_or(0, |by| by.pid.into())),
        Column::Count => Part::Number(entry.count.into()),
    }
}

/// An order that stays the same from one drawing to the next.
fn tie(one: &Entry, other: &Entry) -> Ordering {
    let whole = |entry: &Entry| {
        let request = entry.key.request;
        let device = (request.device_type, request.major, request.minor, request.access);
        (entry.key.cgroup_id, device, entry.key.verdict)
    };
    whole(one).cmp(&whole(other))
}
