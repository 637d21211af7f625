//! What can go wrong with a file of state.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::LIMIT;
use crate::files::ReadError;

/// Why a file of state can't be used. Nothing was changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is none for this container.
    #[error("{what} {id} has no record ({} does not exist)", path.display())]
    Missing {
        /// What the file is about: a container, for example.
        what: &'static str,
        /// Its id.
        id: String,
        /// The file.
        path: PathBuf,
    },
    /// It can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// It is not what devgate writes.
    #[error("{} is damaged: {problem}; remove the file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The JSON path, and what is wrong there.
        problem: String,
    },
    /// A newer devgate wrote it.
    #[error(
        "{} has version {version}, and this devgate knows version {known} at most: use the newer \
         devgate",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
        /// The latest that is known.
        known: u32,
    },
    /// It would have more bytes than are read again.
    #[error("{} would have {length} bytes (at most {LIMIT})", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The bytes.
        length: usize,
    },
    /// It can't be written.
    #[error("{} can't be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be removed.
    #[error("{} can't be removed", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory can't be listed.
    #[error("{} can't be listed", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lock can't be taken.
    #[error("{} can't be locked", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another devgate holds the lock for too long.
    #[error("another devgate keeps {what} {id} locked ({})", path.display())]
    Locked {
        /// What the file is about.
        what: &'static str,
        /// Its id.
        id: String,
        /// The lock's file.
        path: PathBuf,
    },
}
