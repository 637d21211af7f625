//! Who changes a container's record takes turns: flock(2) on a file in devgate's own directory,
//! which nobody else can open.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// For how long another process may hold the lock.
const WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(2);

/// Held until it is dropped; others wait for it.
#[derive(Debug)]
pub(super) struct Lock {
    /// The lock goes with this descriptor.
    _file: File,
    path: PathBuf,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process holds it.
    Held,
    Io(io::Error),
}

impl Lock {
    /// The lock of this path, waited for.
    pub(super) fn wait(path: &Path) -> Result<Lock, LockError> {
        let give_up = Instant::now() + WAIT;
        loop {
            match Lock::now(path) {
                Err(LockError::Held) if Instant::now() < give_up => std::thread::sleep(POLL),
                outcome => return outcome,
            }
        }
    }

    /// The lock of this path, if nobody holds it.
    pub(super) fn now(path: &Path) -> Result<Lock, LockError> {
        loop {
            let file = File::options().write(true).create(true).truncate(false).open(path);
            let file = file.map_err(LockError::Io)?;
            flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(
                |errno| match errno {
                    Errno::WOULDBLOCK | Errno::INTR => LockError::Held,
                    errno => LockError::Io(errno.into()),
                },
            )?;
            // Whoever held it before may have removed it: then the next one is another file.
            if is_at(&file, path).map_err(LockError::Io)? {
                return Ok(Lock { _file: file, path: path.to_owned() });
            }
        }
    }

    /// Removes the file, which is not needed any more.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_holds_it_at_a_time_even_when_its_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let holders = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..50 {
                        let lock = Lock::wait(&path).unwrap();
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
                        if round % 3 == 0 {
                            lock.remove().unwrap();
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn who_does_not_wait_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::now(&path).unwrap();
        assert!(matches!(Lock::now(&path), Err(LockError::Held)));
        drop(lock);
        assert!(Lock::now(&path).is_ok());
    }
}
