//! devgates that work on one cgroup take turns: flock(2) of its directory.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::attach::AttachError;

/// How long another devgate may keep a cgroup locked.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(10);
pub(super) const LOCK_POLL: Duration = Duration::from_millis(2);

/// Held until it is dropped; other devgates wait for it.
pub(super) fn lock(cgroup: BorrowedFd<'_>) -> Result<Flock<File>, AttachError> {
    let give_up = Instant::now() + LOCK_WAIT;
    let copy = cgroup.try_clone_to_owned();
    let mut file = File::from(copy.map_err(|error| {
        AttachError::Lock(Errno::from_raw(error.raw_os_error().unwrap_or_default()))
    })?);
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((_, Errno::EWOULDBLOCK)) if Instant::now() > give_up => {
                return Err(AttachError::Locked);
            }
            Err((same, Errno::EWOULDBLOCK)) => {
                file = same;
                std::thread::sleep(LOCK_POLL);
            }
            Err((_, errno)) => return Err(AttachError::Lock(errno)),
        }
    }
}
