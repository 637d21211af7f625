//! Whether `devgate guard` runs: it holds a lock for as long as it does.
//!
//! The lock is an open file description lock (fcntl_locking(2)) on the whole of
//! `/run/devgate/guard.lock`. It ends with the process, however that ends, and whether somebody
//! holds it can be asked without taking it.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use thiserror::Error;

use crate::run_dir::{RunDir, RunDirError};

/// The file in [`RunDir`].
const FILE: &str = "guard.lock";

/// Held until it is dropped: while it is, [`guard_runs`].
#[derive(Debug)]
pub struct GuardLock {
    _file: File,
}

/// Why a guard may not run.
#[derive(Debug, Error)]
pub enum GuardLockError {
    /// Another one runs.
    #[error("another `devgate guard` runs")]
    Runs,
    /// The lock's file can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// It can't be locked.
    #[error("{FILE} can't be locked")]
    Lock(#[source] io::Error),
}

impl GuardLock {
    /// Takes the lock, for the guard alone.
    ///
    /// # Errors
    /// Another guard has it, or there is none to take.
    pub fn take(run: &RunDir) -> Result<GuardLock, GuardLockError> {
        let file = run.file(FILE)?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole())) {
            Ok(_) => Ok(GuardLock { _file: file }),
            Err(Errno::EAGAIN | Errno::EACCES) => Err(GuardLockError::Runs),
            Err(errno) => Err(GuardLockError::Lock(errno.into())),
        }
    }
}

/// Whether a guard runs; not if that can't be told.
pub fn guard_runs(run: &RunDir) -> bool {
    let Ok(file) = run.file(FILE) else { return false };
    let mut lock = whole();
    let asked = fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock));
    asked.is_ok() && lock.l_type != libc::F_UNLCK as libc::c_short
}

fn whole() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_seen_for_as_long_as_it_runs() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(&dir.path().join("devgate")).unwrap();
        assert!(!guard_runs(&run));
        let lock = GuardLock::take(&run).unwrap();
        assert!(guard_runs(&run));
        assert!(matches!(GuardLock::take(&run), Err(GuardLockError::Runs)));
        drop(lock);
        assert!(!guard_runs(&run));
    }
}
