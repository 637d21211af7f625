//! Counters of requests that an observer had no room for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::observe::Lost;

/// What was lost, and where, at the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostTally {
    #[serde(with = "super::pairs")]
    last: BTreeMap<Option<u64>, u64>,
    /// Requests for which their container's room was too small.
    pub container: u64,
    /// Requests of cgroups for which there was no room at all.
    pub observer: u64,
}

impl LostTally {
    /// Another observer counts from 0. The counters stay.
    pub fn restart(&mut self) {
        self.last.clear();
    }

    /// Counts what was lost since the last look; `lost` is all that was lost.
    pub fn look(&mut self, lost: &[Lost]) {
        for Lost { cgroup_id, requests } in lost {
            let before = self.last.get(cgroup_id).copied().unwrap_or_default();
            let increase = requests.saturating_sub(before);
            let counter = match cgroup_id {
                Some(_) => &mut self.container,
                None => &mut self.observer,
            };
            *counter = counter.saturating_add(increase);
        }
        self.last = lost.iter().map(|lost| (lost.cgroup_id, lost.requests)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_ends_takes_nothing_back() {
        let lost = |cgroup_id, requests| Lost { cgroup_id, requests };
        let mut tally = LostTally::default();
        tally.look(&[lost(Some(7), 3), lost(None, 1)]);
        tally.look(&[lost(Some(7), 5), lost(Some(8), 2), lost(None, 4)]);
        assert_eq!((tally.container, tally.observer), (7, 4));
        tally.look(&[lost(None, 4)]);
        assert_eq!((tally.container, tally.observer), (7, 4));
        tally.restart();
        tally.look(&[lost(None, 1)]);
        assert_eq!((tally.container, tally.observer), (7, 5));
    }
}
