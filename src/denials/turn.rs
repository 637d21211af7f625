//! Whoever starts, stops or extends the observer takes turns: a lock on a file below /run/devgate,
//! which ends with its process. Without it, two that attach the observer to the same cgroup would
//! count its requests twice for a moment.

use std::fs::{File, TryLockError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::StandingError;
use crate::run_dir::RunDir;

const FILE: &str = "observe.lock";

const POLL: Duration = Duration::from_millis(2);

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    /// The lock goes with this descriptor.
    _file: File,
}

impl Turn {
    /// Whether anybody has had it since the machine was started.
    pub fn was_ever_taken(run: &RunDir) -> bool {
        run.path().join(FILE).exists()
    }

    /// Waits for it, for as long as `most`.
    pub fn wait(run: &RunDir, most: Duration) -> Result<Turn, StandingError> {
        let file = run.file(FILE)?;
        let path = || run.path().join(FILE);
        let give_up = Instant::now() + most;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Turn { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => sleep(POLL),
                Err(TryLockError::WouldBlock) => return Err(StandingError::Busy { path: path() }),
                Err(TryLockError::Error(source)) => {
                    return Err(StandingError::Lock { path: path(), source });
                }
            }
        }
    }
}
