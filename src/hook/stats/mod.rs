//! How often the hook ran, how it ended and how long it took: `/run/devgate/hook-stats`.
//!
//! A container waits for the hook, so a run costs one lock, one read and one write of a few hundred
//! bytes. The file has one size for ever.

mod file;
mod reason;

pub use file::{FILE, Replaced, StatsError, count, count_at, read, read_at};
pub use reason::Reason;

use std::time::Duration;

use crate::oci::Stage;

/// The upper bounds of the histogram's buckets, in microseconds; the last bucket has no bound. The
/// hook takes about a millisecond, waits up to 10 s for another devgate, and is killed after 60 s.
pub const BOUNDS: [u64; 14] = [
    500, 1_000, 2_000, 3_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    2_500_000, 10_000_000, 30_000_000,
];

/// How many buckets there are.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// The stages that are told apart; `None`: the hook failed before it knew.
pub const STAGES: [Option<Stage>; 3] = [Some(Stage::CreateRuntime), Some(Stage::Poststop), None];

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did what it was called for.
    Succeeded,
    /// In a user namespace: it did nothing, and failed not.
    Skipped,
    /// It failed.
    Failed(Reason),
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The stage; `None` if the hook failed before it knew.
    pub stage: Option<Stage>,
    /// How it ended.
    pub ended: Ended,
    /// How long it took, from its start until it was counted.
    pub took: Duration,
}

/// What is counted of one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageStats {
    /// Runs that did what they were called for.
    pub succeeded: u64,
    /// Runs that did nothing, in a user namespace.
    pub skipped: u64,
    /// Runs that failed, in the order of [`Reason::ALL`].
    pub failed: [u64; Reason::ALL.len()],
    /// Runs by how long they took, each in the first bucket that it fits ([`BOUNDS`]).
    pub buckets: [u64; BUCKETS],
    /// How long all took together, in nanoseconds.
    pub nanoseconds: u64,
}

/// What is counted, in the order of [`STAGES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats([StageStats; STAGES.len()]);

impl StageStats {
    /// All runs.
    pub fn runs(&self) -> u64 {
        self.failed.iter().fold(self.succeeded.wrapping_add(self.skipped), |runs, failed| {
            runs.wrapping_add(*failed)
        })
    }

    fn add(&mut self, run: Run) {
        let ended = match run.ended {
            Ended::Succeeded => Some(&mut self.succeeded),
            Ended::Skipped => Some(&mut self.skipped),
            Ended::Failed(reason) => {
                let place = Reason::ALL.iter().position(|other| *other == reason);
                place.and_then(|place| self.failed.get_mut(place))
            }
        };
        let took = run.took.as_micros();
        let bucket = BOUNDS.partition_point(|bound| u128::from(*bound) < took);
        for counter in ended.into_iter().chain(self.buckets.get_mut(bucket)) {
            *counter = counter.wrapping_add(1);
        }
        let nanoseconds = u64::try_from(run.took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds = self.nanoseconds.wrapping_add(nanoseconds);
    }

    /// Each run is in one bucket, and has ended in one way.
    fn is_sound(&self) -> bool {
        self.runs() == self.buckets.iter().fold(0, |runs: u64, bucket| runs.wrapping_add(*bucket))
    }
}

impl Stats {
    /// Each stage with what is counted of it.
    pub fn stages(&self) -> impl Iterator<Item = (Option<Stage>, &StageStats)> {
        STAGES.into_iter().zip(&self.0)
    }

    fn add(&mut self, run: Run) {
        let place = STAGES.iter().position(|stage| *stage == run.stage);
        if let Some(stage) = place.and_then(|place| self.0.get_mut(place)) {
            stage.add(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_in_the_first_bucket_that_it_fits() {
        for (nanoseconds, bucket) in [
            (0, 0),
            (500_000, 0),
            (500_999, 0),
            (501_000, 1),
            (950_000, 1),
            (1_000_000, 1),
            (30_000_000_000, 13),
            (30_000_001_000, 14),
            (u64::MAX, 14),
        ] {
            let mut stats = StageStats::default();
            let took = Duration::from_nanos(nanoseconds);
            stats.add(Run { stage: None, ended: Ended::Succeeded, took });
            assert_eq!(stats.buckets[bucket], 1, "{nanoseconds} ns");
            assert_eq!((stats.runs(), stats.nanoseconds), (1, nanoseconds));
            assert!(stats.is_sound());
        }
    }

    #[test]
    fn stages_and_reasons_are_counted_apart() {
        let mut stats = Stats::default();
        let took = Duration::from_millis(1);
        for stage in STAGES {
            for reason in Reason::ALL {
                stats.add(Run { stage, ended: Ended::Failed(reason), took });
            }
            stats.add(Run { stage, ended: Ended::Skipped, took });
        }
        for (_, counted) in stats.stages() {
            assert_eq!((counted.failed, counted.skipped, counted.succeeded), ([1; 11], 1, 0));
            assert_eq!(counted.runs(), 12);
        }
    }
}
