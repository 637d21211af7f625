//! What the observer of `devgate observe` counted.

use std::time::SystemTime;

use thiserror::Error;

use crate::observe::{Lost, Method, Observed};

/// Why denials can't be read.
#[derive(Debug, Error)]
pub enum DeniedError {}

/// What an observer says.
#[derive(Clone, Debug)]
pub struct Observing {
    /// The id of its program.
    pub program: u32,
    /// How it comes to its verdicts.
    pub method: Method,
    /// Since when it counts.
    pub since: SystemTime,
    /// How many cgroups it is attached to.
    pub cgroups: u64,
    /// Requests that were denied.
    pub denied: Vec<Observed>,
    /// What it had no room for.
    pub lost: Vec<Lost>,
}

impl Observing {
    /// What the pinned observer says; `None` if there is none.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read() -> Result<Option<Observing>, DeniedError> {
        Ok(None)
    }
}
