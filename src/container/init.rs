//! A container's first process, pinned so that a reused process id can't mislead.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use thiserror::Error;

use crate::cgroup::{Process, ProcessError};

/// A container's first process, by descriptors that stand for it even when its id is used again.
#[derive(Debug)]
pub struct Init {
    process: Process,
    /// /proc/PID.
    proc: OwnedFd,
    /// Where its root directory is to be, as long as it is not there yet.
    new_root: Option<PathBuf>,
}

/// Why a process can't be used as a container's.
#[derive(Debug, Error)]
pub enum InitError {
    /// There is none, it has exited, or /proc does not show it.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its directory in /proc can't be opened.
    #[error("/proc/{pid} can't be opened")]
    Open {
        /// Its id on the host.
        pid: i32,
        /// Why.
        source: io::Error,
    },
    /// A file of it can't be used.
    #[error("/proc/{pid}/{file} can't be used")]
    File {
        /// Its id on the host.
        pid: i32,
        /// The file's name.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The directory that is to be its root directory can't be opened.
    #[error("the container's root directory {} can't be opened", path.display())]
    NewRoot {
        /// The directory, by its path in the process's mount namespace.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has the mounts that devgate has, so its /dev is the host's.
    #[error("process {pid} has no mount namespace of its own: its /dev is the host's")]
    NoNamespace {
        /// Its id on the host.
        pid: i32,
    },
    /// Nobody on the host is root in its user namespace.
    #[error("the user namespace of process {pid} maps no root")]
    NoRoot {
        /// Its id on the host.
        pid: i32,
    },
    /// It is in another cgroup than the container: its id was used again, or it was moved.
    #[error("process {pid} is not in the container's cgroup {}", cgroup.display())]
    Elsewhere {
        /// Its id on the host.
        pid: i32,
        /// The container's cgroup.
        cgroup: PathBuf,
    },
}

/// The ids on the host of a container's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Init {
    /// Pins the process that has this id now.
    ///
    /// # Errors
    /// There is none, or /proc is not this pid namespace's.
    pub fn pin(pid: i32) -> Result<Init, InitError> {
        let process = Process::pin(pid)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty());
        // What was opened is the pinned process's if that still lives.
        process.must_live()?;
        let failed = |errno: Errno| InitError::Open { pid, source: errno.into() };
        Ok(Init { process, proc: proc.map_err(failed)?, new_root: None })
    }

    /// The same process while its runtime waits for the createRuntime hooks: the container's mounts
    /// are made then, and its root directory is still to be changed to this one, which
    /// config.json names (runtime-spec, "createRuntime Hooks"; so do runc 1.1 and crun 1.8).
    pub fn before_pivot(self, new_root: PathBuf) -> Init {
        Init { new_root: Some(new_root), ..self }
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its id on the host.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// A descriptor of its root directory, through which nothing is read or written.
    pub(super) fn root(&self) -> Result<OwnedFd, InitError> {
        let root = self.open("root", OFlags::PATH | OFlags::DIRECTORY)?;
        let Some(new_root) = &self.new_root else { return Ok(root) };
        let below = new_root.strip_prefix("/").unwrap_or(new_root);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat2(&root, below, flags, Mode::empty(), ResolveFlags::IN_ROOT);
        opened.map_err(|errno| InitError::NewRoot { path: new_root.clone(), source: errno.into() })
    }

    /// Its mount namespace, which is not this process's.
    pub(super) fn mount_namespace(&self) -> Result<OwnedFd, InitError> {
        const FILE: &str = "ns/mnt";
        let namespace = self.open(FILE, OFlags::RDONLY)?;
        let failed = |source| InitError::File { pid: self.pid(), file: FILE, source };
        let found = nix::sys::stat::fstat(&namespace).map_err(|errno| failed(errno.into()))?;
        let own = std::fs::metadata("/proc/self/ns/mnt").map_err(failed)?;
        use std::os::unix::fs::MetadataExt;
        match (found.st_dev, found.st_ino) == (own.dev(), own.ino()) {
            true => Err(InitError::NoNamespace { pid: self.pid() }),
            false => Ok(namespace),
        }
    }

    /// What is mounted in its mount namespace (proc_pid_mountinfo(5)).
    pub(super) fn mountinfo(&self) -> Result<Vec<u8>, InitError> {
        self.read("mountinfo")
    }

    /// Who on the host is root in its user namespace.
    pub(super) fn root_owner(&self) -> Result<Owner, InitError> {
        let root = |map: &[u8]| mapped_root(map).ok_or(InitError::NoRoot { pid: self.pid() });
        Ok(Owner { uid: root(&self.read("uid_map")?)?, gid: root(&self.read("gid_map")?)? })
    }

    fn read(&self, file: &'static str) -> Result<Vec<u8>, InitError> {
        let mut text = Vec::with_capacity(1 << 12);
        let read = File::from(self.open(file, OFlags::RDONLY)?).read_to_end(&mut text);
        read.map_err(|source| InitError::File { pid: self.pid(), file, source })?;
        Ok(text)
    }

    fn open(&self, file: &'static str, flags: OFlags) -> Result<OwnedFd, InitError> {
        let opened = openat(&self.proc, file, flags | OFlags::CLOEXEC, Mode::empty());
        opened.or_else(|errno| {
            self.process.must_live()?;
            Err(InitError::File { pid: self.pid(), file, source: errno.into() })
        })
    }
}

/// The id outside of 0 inside, by the lines "inside outside count" of user_namespaces(7).
fn mapped_root(map: &[u8]) -> Option<u32> {
    std::str::from_utf8(map).ok()?.lines().find_map(|line| {
        let mut numbers = line.split_whitespace();
        let (inside, outside) = (numbers.next()?, numbers.next()?);
        (inside == "0").then(|| outside.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_in_every_map() {
        assert_eq!(mapped_root(b"         0          0 4294967295\n"), Some(0));
        assert_eq!(mapped_root(b"1 5 1\n 0 100000 65536\n"), Some(100_000));
        assert_eq!(mapped_root(b"1 100000 65536\n"), None);
        assert_eq!(mapped_root(b""), None);
    }

    #[test]
    fn a_process_that_is_gone_is_named() {
        for pid in [0, -1, i32::MAX] {
            let error = Init::pin(pid).unwrap_err();
            assert!(matches!(error, InitError::Process(_)), "{error:?}");
        }
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let init = Init::pin(child.id().cast_signed()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        for outcome in [init.root().map(drop), init.root_owner().map(drop)] {
            let exited = matches!(outcome, Err(InitError::Process(ProcessError::Exited { .. })));
            assert!(exited, "{outcome:?}");
        }
    }

    #[test]
    fn who_shares_our_mounts_is_refused() {
        let own = Init::pin(std::process::id().cast_signed()).unwrap();
        let error = own.mount_namespace().unwrap_err();
        assert!(matches!(error, InitError::NoNamespace { .. }), "{error:?}");
    }
}
