//! When a line is printed: at once for what is new, and from time to time for what goes on. A
//! container may ask for devices as often as it likes; counts say how often it was.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use devgate::watch::{Happened, Key};

/// How often a line is repeated because its count grew.
const REPEAT: Duration = Duration::from_secs(1);
/// Lines of one cgroup that are printed at once, in each such time.
const MOST: u32 = 100;
/// Keys that are remembered.
const MOST_KEYS: usize = 1 << 16;

#[derive(Default)]
pub struct Pace {
    printed: HashMap<Key, Instant>,
    waits: HashSet<Key>,
    /// Lines that were printed at once, by cgroups, since `since`.
    spent: HashMap<u64, u32>,
    since: Option<Instant>,
}

impl Pace {
    /// Whether its line is printed at once; otherwise it is in [`Pace::due`] later.
    pub fn at_once(&mut self, happened: &Happened, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= REPEAT) {
            self.spent.clear();
            self.since = Some(now);
        }
        let key = happened.key;
        let spent = self.spent.entry(key.cgroup_id).or_default();
        let is_new = happened.is_event || !self.printed.contains_key(&key);
        if is_new && *spent < MOST {
            *spent += 1;
            self.print(key, now);
            return true;
        }
        self.waits.insert(key);
        false
    }

    /// Has it wait, since there is no room now.
    pub fn hold(&mut self, key: Key) {
        self.waits.insert(key);
    }

    /// Those that waited long enough.
    pub fn due(&mut self, now: Instant) -> Vec<Key> {
        let is_due = |key: &&Key| {
            let printed = self.printed.get(key);
            printed.is_none_or(|printed| now.saturating_duration_since(*printed) >= REPEAT)
        };
        let due: Vec<Key> = self.waits.iter().filter(is_due).copied().collect();
        due.iter().for_each(|key| self.print(*key, now));
        due
    }

    /// All that wait: for the end.
    pub fn rest(&mut self) -> Vec<Key> {
        self.waits.drain().collect()
    }

    fn print(&mut self, key: Key, now: Instant) {
        self.waits.remove(&key);
        if self.printed.len() >= MOST_KEYS {
            self.printed.clear();
        }
        self.printed.insert(key, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happened(cgroup_id: u64, is_event: bool) -> Happened {
        let request = "c 10:229 rw".parse().unwrap();
        let key = Key { cgroup_id, request, verdict: None };
        Happened { key, is_event, count: 1, time: Duration::ZERO, by: None }
    }

    #[test]
    fn what_is_new_is_printed_at_once_and_what_goes_on_once_a_second() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert!(pace.at_once(&happened(1, false), at(0)));
        assert!(!pace.at_once(&happened(1, false), at(100)));
        assert!(pace.due(at(200)).is_empty());
        assert!(pace.at_once(&happened(1, true), at(300)), "another process");
        assert!(pace.due(at(1200)).is_empty());
        assert!(!pace.at_once(&happened(1, false), at(1250)));
        assert_eq!(pace.due(at(1300)), [happened(1, false).key]);
        assert!(pace.due(at(2500)).is_empty());
        assert!(!pace.at_once(&happened(1, false), at(2600)));
        assert_eq!(pace.rest(), [happened(1, false).key]);
    }

    #[test]
    fn a_cgroup_that_never_stops_does_not_fill_the_screen() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let printed = (0..1000).filter(|_| pace.at_once(&happened(1, true), start)).count();
        assert_eq!(printed, MOST as usize);
        assert!(pace.at_once(&happened(2, true), start), "another one's lines are printed");
    }
}
