//! The cgroup of a process, pinned so that a reused process id can't mislead.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use thiserror::Error;

use crate::kernel::sys;
use crate::mounts::read_proc;

/// Why a process's cgroup can't be told.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// No process has the id.
    #[error("process {pid} does not exist")]
    Missing {
        /// Its id on the host.
        pid: i32,
    },
    /// The process is dead or a zombie.
    #[error("process {pid} has exited")]
    Exited {
        /// Its id on the host.
        pid: i32,
    },
    /// It can't be pinned.
    #[error("process {pid} can't be pinned: {errno}")]
    Pin {
        /// Its id on the host.
        pid: i32,
        /// Why; ENOSYS before Linux 5.3.
        errno: Errno,
    },
    /// Its cgroup can't be read.
    #[error("{path} can't be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is in no cgroup of the cgroup2 hierarchy.
    #[error("{path} names no cgroup2 cgroup: the host uses cgroup v1 alone")]
    NoCgroup2 {
        /// The file.
        path: String,
    },
    /// Its cgroup was removed.
    #[error("the cgroup of process {pid} was removed")]
    Removed {
        /// Its id on the host.
        pid: i32,
    },
}

/// The cgroup2 cgroup of a process, as /proc/PID/cgroup has it: relative to the root of the
/// reader's cgroup namespace.
pub(super) fn cgroup2_of(pid: i32) -> Result<PathBuf, ProcessError> {
    let pinned = sys::pidfd_open(pid).map_err(|errno| match errno {
        // The last two: it is the id of a thread.
        Errno::ESRCH | Errno::EINVAL | Errno::ENOENT => ProcessError::Missing { pid },
        errno => ProcessError::Pin { pid, errno },
    })?;
    let read = read(&format!("/proc/{pid}/cgroup"));
    // What was read is this process's if it still lives: until it is reaped, its id is its own.
    if has_exited(&pinned).map_err(|errno| ProcessError::Pin { pid, errno })? {
        return Err(ProcessError::Exited { pid });
    }
    let cgroup = read?;
    if cgroup.as_os_str().as_encoded_bytes().ends_with(b" (deleted)") {
        return Err(ProcessError::Removed { pid });
    }
    Ok(cgroup)
}

/// The caller's own.
pub(super) fn cgroup2_of_self() -> Result<PathBuf, ProcessError> {
    read("/proc/self/cgroup")
}

/// A pidfd can be read once the process has exited, reaped or not (pidfd_open(2)).
fn has_exited(pinned: &OwnedFd) -> nix::Result<bool> {
    let mut fds = [PollFd::new(pinned.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).map(|ready| ready > 0)
}

fn read(path: &str) -> Result<PathBuf, ProcessError> {
    let path = path.to_owned();
    match read_proc(path.as_ref()) {
        Ok(text) => cgroup2_line(&text).ok_or(ProcessError::NoCgroup2 { path }),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

/// The line of hierarchy 0 without controllers is cgroup2's (cgroups(7)).
fn cgroup2_line(text: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    text.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))
        .map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_hosts_list_v1_hierarchies_too() {
        let text = b"9:name=systemd:/\n5:devices:/a\n0::/probe/c1\n";
        assert_eq!(cgroup2_line(text), Some(PathBuf::from("/probe/c1")));
        assert_eq!(cgroup2_line(b"5:devices:/a\n"), None);
    }

    #[test]
    fn a_process_that_was_never_there_is_missing() {
        for pid in [0, -1, i32::MAX] {
            assert!(matches!(cgroup2_of(pid), Err(ProcessError::Missing { .. })), "{pid}");
        }
    }

    #[test]
    fn a_zombie_has_exited() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        let pinned = sys::pidfd_open(pid).unwrap();
        while !has_exited(&pinned).unwrap() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let outcome = cgroup2_of(pid);
        child.wait().unwrap();
        assert!(matches!(outcome, Err(ProcessError::Exited { .. })), "{outcome:?}");
    }
}
