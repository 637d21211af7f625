//! devgates that work on one cgroup take turns.
//!
//! The lock is on one byte of `/run/devgate/lock`: the one whose offset is the cgroup's id. A lock
//! that is a byte needs no file of its own, so nothing piles up and nothing has to be removed.
//! Open file description locks (fcntl_locking(2)) end with the process, however it ends. A lock
//! on the cgroup's directory would not do: any local user may take that.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::fstat;
use thiserror::Error;

use super::attach_error::AttachError;
use crate::run_dir::{RunDir, RunDirError};

/// How long another devgate may keep a cgroup locked.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(10);
pub(super) const LOCK_POLL: Duration = Duration::from_millis(2);

/// The file in [`RunDir`].
const LOCK_FILE: &str = "lock";

/// Why a cgroup was not locked. Two devgates that work on it at once are then kept apart by the
/// list's revision, or by looking once more.
#[derive(Debug, Error)]
pub enum Unlocked {
    /// The lock's directory can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The cgroup's id can't be told.
    #[error("the cgroup's id can't be told: {0}")]
    Id(Errno),
    /// The kernel would not lock it.
    #[error("{file} can't be locked: {0}", file = LOCK_FILE)]
    Lock(Errno),
}

/// Held until it is dropped; other devgates wait for it.
#[derive(Debug)]
pub(super) struct Lock {
    /// The lock goes with this descriptor.
    _file: File,
}

/// Takes the cgroup's lock, or says why there is none to take.
///
/// # Errors
/// [`AttachError::Locked`]: another devgate keeps it.
pub(super) fn lock(cgroup: BorrowedFd<'_>) -> Result<Result<Lock, Unlocked>, AttachError> {
    let place = RunDir::open().and_then(|dir| dir.file(LOCK_FILE));
    let (file, id) = match (place, fstat(cgroup)) {
        (Ok(file), Ok(found)) => (file, found.st_ino),
        (Err(error), _) => return Ok(Err(error.into())),
        (_, Err(errno)) => return Ok(Err(Unlocked::Id(errno))),
    };
    let range = byte(id);
    let give_up = Instant::now() + LOCK_WAIT;
    loop {
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&range)) {
            Ok(_) => return Ok(Ok(Lock { _file: file })),
            Err(Errno::EAGAIN | Errno::EACCES) if Instant::now() > give_up => {
                return Err(AttachError::Locked);
            }
            Err(Errno::EAGAIN | Errno::EACCES) => std::thread::sleep(LOCK_POLL),
            Err(errno) => return Ok(Err(Unlocked::Lock(errno))),
        }
    }
}

/// The byte at this offset. Offsets are signed, and no id has come near to 2^63.
fn byte(id: u64) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: (id & i64::MAX as u64) as libc::off_t,
        l_len: 1,
        l_pid: 0,
    }
}
