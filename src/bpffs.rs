//! Directories of pins on a bpffs, which only root can look into and write to.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::statfs::{BPF_FS_MAGIC, fstatfs};
use thiserror::Error;

/// Why there is no directory of pins.
#[derive(Debug, Error)]
pub enum PinDirError {
    /// It can't be made or opened.
    #[error("directory {} for pins cannot be used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why; ENOENT if there is no /sys/fs/bpf at all.
        source: io::Error,
    },
    /// It is not on a bpffs.
    #[error(
        "{} is not on a bpffs, so nothing can be pinned there (mount -t bpf bpf /sys/fs/bpf)",
        path.display()
    )]
    NotBpffs {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody else could remove or replace pins there.
    #[error(
        "directory {} belongs to uid {uid} with mode {mode:04o}; it must belong to root with mode 0700",
        path.display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// Who owns it.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
}

/// An open directory of pins.
#[derive(Debug)]
pub struct PinDir {
    path: PathBuf,
    opened: File,
}

impl PinDir {
    /// The directory at `path`, which is made if it is missing. The one above it must be there.
    ///
    /// # Errors
    /// It is not on a bpffs, or others could write to it.
    pub fn make(path: &Path) -> Result<PinDir, PinDirError> {
        if let Some(dir) = PinDir::existing(path)? {
            return Ok(dir);
        }
        if let Some(above) = path.parent() {
            on_bpffs(&open_dir(above)?, above)?;
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(PinDirError::Directory { path: path.to_owned(), source })
            }
            _ => PinDir::open(path),
        }
    }

    /// The directory at `path`.
    ///
    /// # Errors
    /// As for [`PinDir::make`]; [`PinDirError::Directory`] with ENOENT if it is missing.
    pub fn open(path: &Path) -> Result<PinDir, PinDirError> {
        let failed = |source| PinDirError::Directory { path: path.to_owned(), source };
        let opened = open_dir(path)?;
        on_bpffs(&opened, path)?;
        let metadata = opened.metadata().map_err(failed)?;
        let (uid, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        match (uid, mode & 0o077) {
            (0, 0) => Ok(PinDir { path: path.to_owned(), opened }),
            _ => Err(PinDirError::NotOurs { path: path.to_owned(), uid, mode }),
        }
    }

    /// The directory at `path`, if there is one.
    ///
    /// # Errors
    /// As for [`PinDir::open`].
    pub fn existing(path: &Path) -> Result<Option<PinDir>, PinDirError> {
        match PinDir::open(path) {
            Err(PinDirError::Directory { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open directory.
    pub fn file(&self) -> &File {
        &self.opened
    }
}

fn open_dir(path: &Path) -> Result<File, PinDirError> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = File::options().read(true).custom_flags(flags.bits()).open(path);
    opened.map_err(|source| PinDirError::Directory { path: path.to_owned(), source })
}

fn on_bpffs(dir: &File, path: &Path) -> Result<(), PinDirError> {
    let kind = fstatfs(dir)
        .map_err(|errno| PinDirError::Directory { path: path.to_owned(), source: errno.into() })?;
    match kind.filesystem_type() {
        BPF_FS_MAGIC => Ok(()),
        _ => Err(PinDirError::NotBpffs { path: path.to_owned() }),
    }
}
