//! The cgroup of a process, pinned so that a reused process id can't mislead.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use thiserror::Error;

use crate::kernel::sys;
use crate::mounts::{fdinfo, read_piece};

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
    /// /proc knows the process by another id, or not at all: it shows the processes of another
    /// pid namespace than that of devgate.
    #[error(
        "/proc is of another pid namespace: process {pid} {}; mount the proc of devgate's own \
         pid namespace on /proc", known_as(*shown)
    )]
    OtherProc {
        /// The id that devgate was given.
        pid: i32,
        /// The id in /proc, if it has one there.
        shown: Option<i32>,
    },
    /// /proc does not tell which process it shows under the id.
    #[error(
        "/proc does not tell which process {pid} is, so its cgroup can't be told: it is not \
         mounted, or shows another pid namespace, which devgate is not in"
    )]
    Untold {
        /// Its id on the host.
        pid: i32,
    },
    /// It was moved to another cgroup.
    #[error(
        "process {pid} was moved from cgroup {} to {} meanwhile", from.display(), to.display()
    )]
    Moved {
        /// Its id on the host.
        pid: i32,
        /// Its cgroup at first, as /proc/PID/cgroup has it.
        from: PathBuf,
        /// Its cgroup now.
        to: PathBuf,
    },
}

fn known_as(shown: Option<i32>) -> String {
    match shown {
        Some(shown) => format!("is process {shown} there"),
        None => "is not there".to_owned(),
    }
}

/// A process, pinned by a pidfd, and its `/proc/PID/cgroup`, held open.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pinned: OwnedFd,
    cgroup_file: File,
}

impl Process {
    /// Pins the process with this id in the caller's pid namespace.
    ///
    /// # Errors
    /// There is no such process, or /proc is not that of the caller's pid namespace.
    pub fn pin(pid: i32) -> Result<Process, ProcessError> {
        let pinned = sys::pidfd_open(pid).map_err(|errno| match errno {
            // The last two: it is the id of a thread.
            Errno::ESRCH | Errno::EINVAL | Errno::ENOENT => ProcessError::Missing { pid },
            errno => ProcessError::Pin { pid, errno },
        })?;
        let opened = File::open(cgroup_path(pid));
        // What was opened is this process's if /proc knows it by this id now: until it is reaped,
        // its id is its own.
        match (fdinfo::<i32>(&pinned, "Pid:"), opened) {
            (Some(shown), Ok(cgroup_file)) if shown == pid => {
                Ok(Process { pid, pinned, cgroup_file })
            }
            (Some(shown), Err(source)) if shown == pid => {
                Err(ProcessError::Read { path: cgroup_path(pid), source })
            }
            // Reaped.
            (Some(-1), _) => Err(ProcessError::Exited { pid }),
            (Some(0), _) => Err(ProcessError::OtherProc { pid, shown: None }),
            (Some(shown), _) => Err(ProcessError::OtherProc { pid, shown: Some(shown) }),
            (None, _) => Err(ProcessError::Untold { pid }),
        }
    }

    /// Its cgroup2 cgroup now, as /proc/PID/cgroup has it: relative to the root of the reader's
    /// cgroup namespace.
    pub(super) fn cgroup_name(&self) -> Result<PathBuf, ProcessError> {
        let read = self.read_cgroup();
        self.must_live()?;
        let cgroup = read?;
        if cgroup.as_os_str().as_encoded_bytes().ends_with(b" (deleted)") {
            return Err(ProcessError::Removed { pid: self.pid });
        }
        Ok(cgroup)
    }

    /// The kernel writes the file's text anew when it is read from the start.
    fn read_cgroup(&self) -> Result<PathBuf, ProcessError> {
        let path = || cgroup_path(self.pid);
        match read_piece(&self.cgroup_file) {
            Ok(text) => cgroup2_line(&text).ok_or_else(|| ProcessError::NoCgroup2 { path: path() }),
            Err(source) => Err(ProcessError::Read { path: path(), source }),
        }
    }

    /// Its id in the caller's pid namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// When it started, in clock ticks since boot: what tells it from another process that had its
    /// id (proc_pid_stat(5), `starttime`; runc's and crun's states have it too).
    ///
    /// # Errors
    /// It has exited, or the file can't be read.
    pub fn start_time(&self) -> Result<u64, ProcessError> {
        let path = format!("/proc/{}/stat", self.pid);
        let text = fs::read_to_string(&path);
        self.must_live()?;
        let parsed =
            text.and_then(|text| start_time(&text).ok_or(io::ErrorKind::InvalidData.into()));
        parsed.map_err(|source| ProcessError::Read { path, source })
    }

    /// Fails if it has exited.
    ///
    /// # Errors
    /// [`ProcessError::Exited`].
    pub fn must_live(&self) -> Result<(), ProcessError> {
        match self.has_exited()? {
            true => Err(ProcessError::Exited { pid: self.pid }),
            false => Ok(()),
        }
    }

    /// A pidfd can be read once the process has exited, reaped or not (pidfd_open(2)).
    fn has_exited(&self) -> Result<bool, ProcessError> {
        let mut fds = [PollFd::new(self.pinned.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::ZERO);
        ready.map(|ready| ready > 0).map_err(|errno| ProcessError::Pin { pid: self.pid, errno })
    }

    /// Checks that it lives and is in the cgroup of this name.
    pub(super) fn is_in(&self, name: &Path) -> Result<(), ProcessError> {
        match self.cgroup_name()? {
            to if to == name => Ok(()),
            to => Err(ProcessError::Moved { pid: self.pid, from: name.to_owned(), to }),
        }
    }
}

/// Field 22. The second is the program's name, which may have spaces and parentheses of its own.
fn start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

fn cgroup_path(pid: i32) -> String {
    format!("/proc/{pid}/cgroup")
}

/// The caller's own.
pub(super) fn cgroup2_of_self() -> Result<PathBuf, ProcessError> {
    read("/proc/self/cgroup")
}

fn read(path: &str) -> Result<PathBuf, ProcessError> {
    let path = path.to_owned();
    match File::open(&path).and_then(|file| read_piece(&file)) {
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
    fn a_start_time_is_found_whatever_the_programs_name() {
        let rest = (3..=52).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(start_time(&format!("7 (a) b) (c) {rest}\n")), Some(22));
        assert_eq!(start_time("7 (a) S 1"), None);
        let own = Process::pin(std::process::id().cast_signed()).unwrap().start_time().unwrap();
        assert!(own > 0);
    }

    #[test]
    fn hybrid_hosts_list_v1_hierarchies_too() {
        let text = b"9:name=systemd:/\n5:devices:/a\n0::/probe/c1\n";
        assert_eq!(cgroup2_line(text), Some(PathBuf::from("/probe/c1")));
        assert_eq!(cgroup2_line(b"5:devices:/a\n"), None);
    }

    fn cgroup2_of(pid: i32) -> Result<PathBuf, ProcessError> {
        Process::pin(pid)?.cgroup_name()
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
        let process = Process::pin(child.id() as i32).unwrap();
        while !process.has_exited().unwrap() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let again = cgroup2_of(process.pid);
        assert!(matches!(again, Err(ProcessError::Exited { .. })), "{again:?}");
        let pinned = process.cgroup_name();
        assert!(matches!(pinned, Err(ProcessError::Exited { .. })), "{pinned:?}");
        child.wait().unwrap();
        let reaped = process.cgroup_name();
        assert!(matches!(reaped, Err(ProcessError::Exited { .. })), "{reaped:?}");
    }
}
