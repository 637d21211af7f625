//! How much an analysis may take.

use super::AnalyzeError;

/// Bounds of one analysis. They are counts and not times, so that the outcome is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Instructions followed, boxes touched and expressions evaluated.
    pub steps: usize,
    /// Bytes of boxes, regions and expressions at any time.
    pub bytes: usize,
}

impl Budget {
    /// For the proof of a program of our own, which has to be found: some seconds.
    pub const PROOF: Budget = Budget { steps: 1 << 28, bytes: usize::MAX };

    /// For a program that somebody attached: a part of the half second of CPU and the 100 MiB
    /// that looking at one may cost.
    pub const REPORT: Budget = Budget { steps: 10 << 20, bytes: 40 << 20 };
}

/// What is left of a budget.
pub(super) struct Meter {
    budget: Budget,
    steps: usize,
    bytes: usize,
}

/// A bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Steps,
    Bytes,
}

impl Meter {
    pub(super) fn new(budget: Budget) -> Meter {
        Meter { budget, steps: budget.steps, bytes: budget.bytes }
    }

    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Spent> {
        self.steps = self.steps.checked_sub(steps).ok_or(Spent::Steps)?;
        Ok(())
    }

    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Spent> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Spent::Bytes)?;
        Ok(())
    }

    pub(super) fn release(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The error for a bound that was reached at an instruction.
    pub(super) fn error(&self, spent: Spent, index: usize) -> AnalyzeError {
        match spent {
            Spent::Steps => AnalyzeError::TooLong { index, limit: self.budget.steps },
            Spent::Bytes => AnalyzeError::TooLarge { index, limit: self.budget.bytes },
        }
    }
}
