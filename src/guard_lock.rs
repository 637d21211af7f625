//! At most one guard runs on a machine. Whoever needs one (`grant --for`, `doctor`) asks here
//! whether it does.
//!
//! The lock is an open file description lock (fcntl_locking(2)) on `/run/devgate/guard.lock`. It
//! ends with the process, however that ends, and asking for it takes nothing.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, fcntl};
use thiserror::Error;

use crate::run_dir::{RunDir, RunDirError, WHOLE, try_lock};

/// The file in [`RunDir`].
const FILE: &str = "guard.lock";

/// Held while a guard runs.
#[derive(Debug)]
pub struct GuardLock {
    /// The lock goes with this descriptor.
    _file: File,
}

/// Why it can't be told whether a guard runs, or why this one may not.
#[derive(Debug, Error)]
pub enum GuardLockError {
    /// The lock's file can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// Another guard runs.
    #[error("another guard runs: it holds {}", path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
    },
    /// The kernel would not lock the file.
    #[error("{} can't be locked", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl GuardLock {
    /// Takes the lock, for as long as the value lives.
    ///
    /// # Errors
    /// [`GuardLockError::Held`] if another process has it.
    pub fn take(run: &RunDir) -> Result<GuardLock, GuardLockError> {
        let file = run.file(FILE)?;
        let path = || run.path().join(FILE);
        match try_lock(&file) {
            Ok(true) => Ok(GuardLock { _file: file }),
            Ok(false) => Err(GuardLockError::Held { path: path() }),
            Err(source) => Err(GuardLockError::Lock { path: path(), source }),
        }
    }

    /// Whether some process has the lock. Nothing is made for that.
    ///
    /// # Errors
    /// The lock's file can't be used.
    pub fn is_held(run: &RunDir) -> Result<bool, GuardLockError> {
        let path = run.path().join(FILE);
        let file = match File::options().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(GuardLockError::Lock { path, source }),
            Ok(file) => file,
        };
        let mut found = WHOLE;
        match fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found)) {
            Ok(_) => Ok(found.l_type != libc::F_UNLCK as libc::c_short),
            Err(errno) => Err(GuardLockError::Lock { path, source: errno.into() }),
        }
    }
}

/// Whether a guard runs; not if that can't be told.
pub fn guard_runs(run: &RunDir) -> bool {
    GuardLock::is_held(run).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_guard_runs_and_others_can_ask() {
        let above = tempfile::tempdir().unwrap();
        let run = RunDir::at(&above.path().join("devgate")).unwrap();
        assert!(!GuardLock::is_held(&run).unwrap());
        assert_eq!(run.names().unwrap(), [""; 0]);
        let lock = GuardLock::take(&run).unwrap();
        // Who asks twice takes nothing.
        assert!(GuardLock::is_held(&run).unwrap() && GuardLock::is_held(&run).unwrap());
        let error = GuardLock::take(&run).unwrap_err().to_string();
        assert!(error.starts_with("another guard runs: it holds /"), "{error}");
        drop(lock);
        assert!(!GuardLock::is_held(&run).unwrap());
        GuardLock::take(&run).unwrap();
    }
}
