//! Samples and what is said of them.

use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;

/// Measurements of one thing, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

/// What is reported of samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// How many there are.
    pub n: usize,
    /// The middle one.
    pub median: f64,
    /// A quarter of them is smaller.
    pub lower_quartile: f64,
    /// A quarter of them is larger.
    pub upper_quartile: f64,
}

impl Samples {
    /// Adds one.
    pub fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// Adds one in microseconds.
    pub fn push_us(&mut self, took: Duration) {
        self.push(took.as_secs_f64() * 1e6);
    }

    /// Their summary; of none, zeros.
    pub fn summary(&self) -> Summary {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = (sorted.len().saturating_sub(1)) as f64 * part;
            sorted.get(place.round() as usize).copied().unwrap_or_default()
        };
        Summary {
            n: sorted.len(),
            median: at(0.5),
            lower_quartile: at(0.25),
            upper_quartile: at(0.75),
        }
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.summary().median
    }

    /// The median of each sample over the one of `other` that was made in the same round: what
    /// a machine does that slows down and speeds up falls out.
    pub fn over(&self, other: &Samples) -> f64 {
        let ratios = self.0.iter().zip(&other.0).map(|(own, other)| own / other);
        Samples(ratios.collect()).median()
    }
}

/// The numbers from 0 to `count` in an order of the round's own, so that nobody always comes
/// first, or behind the same one.
pub fn order(count: usize, round: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    Rng::with_seed(round as u64).shuffle(&mut places);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let own = Samples(vec![2.0, 20.0, 200.0]);
        let other = Samples(vec![1.0, 10.0, 100.0]);
        assert_eq!(own.over(&other), 2.0);
        assert_eq!(own.median(), 20.0);
    }

    #[test]
    fn each_round_has_all() {
        for round in 0..12 {
            let mut places: Vec<usize> = order(3, round);
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2]);
        }
    }
}
