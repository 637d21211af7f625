//! What is at a path: held, so that it stays the same, and looked at before it is opened.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::NixPath;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use super::{Last, ReadError, read_bounded};

/// A file of any kind, held by a descriptor that can't read or write it (open(2), `O_PATH`).
#[derive(Debug)]
pub struct Node {
    fd: OwnedFd,
    stat: FileStat,
}

impl Node {
    /// What is at `path` below a directory.
    ///
    /// # Errors
    /// There is nothing, or it can't be reached.
    pub fn at<P: ?Sized + NixPath>(dir: impl AsFd, path: &P, last: Last) -> io::Result<Node> {
        let follow = match last {
            Last::Follow => OFlag::empty(),
            Last::Keep => OFlag::O_NOFOLLOW,
        };
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC | follow;
        let fd = openat(dir, path, flags, Mode::empty())?;
        let stat = fstat(&fd)?;
        Ok(Node { fd, stat })
    }

    /// Its attributes when it was looked up.
    pub fn stat(&self) -> &FileStat {
        &self.stat
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == SFlag::S_IFDIR
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind() == SFlag::S_IFREG
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.kind() == SFlag::S_IFLNK
    }

    fn kind(&self) -> SFlag {
        SFlag::from_bits_truncate(self.stat.st_mode & SFlag::S_IFMT.bits())
    }

    /// A path that leads to it, whatever becomes of its name, while this value lives.
    pub fn magic_link(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.fd.as_raw_fd().to_string())
    }

    /// Opens a regular file to read it.
    ///
    /// # Errors
    /// It is something else, or can't be read.
    pub fn open(&self) -> Result<File, ReadError> {
        if !self.is_file() {
            return Err(ReadError::NotAFile);
        }
        File::open(self.magic_link()).map_err(|error| match error.kind() {
            // It is held, so it is there.
            io::ErrorKind::NotFound => io::Error::other("/proc is not mounted").into(),
            _ => error.into(),
        })
    }

    /// All bytes of a regular file.
    ///
    /// # Errors
    /// It has more than `limit` bytes, or is no regular file.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, ReadError> {
        read_bounded(self.open()?, limit)
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
