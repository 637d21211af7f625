//! When what is watched is read.

use std::time::{Duration, Instant};

use devgate::observe::ObserveError;
use devgate::watch::{Happened, Watcher};

use super::READ;

/// Takes events each time, and reads the rows at intervals.
pub struct Rhythm {
    next_read: Instant,
}

impl Rhythm {
    pub fn new() -> Rhythm {
        Rhythm { next_read: Instant::now() }
    }

    /// What happened since the last time.
    pub fn happened(&mut self, watcher: &mut Watcher) -> Result<Vec<Happened>, ObserveError> {
        let now = Instant::now();
        let mut happened = Vec::new();
        if now >= self.next_read {
            watcher.read(&mut happened)?;
            self.next_read = Instant::now() + pause(now.elapsed());
        } else {
            watcher.glance(&mut happened)?;
        }
        Ok(happened)
    }
}

/// Where there is much to read, it is read less often: a tenth of the time at most.
fn pause(reading: Duration) -> Duration {
    READ.max(10 * reading)
}
