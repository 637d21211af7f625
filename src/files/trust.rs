//! Who else could change a file.

use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, SFlag};
use thiserror::Error;

/// Somebody else could change a file, or put another in its place.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Exposure {
    /// It, a directory on the way to it, or a link that leads to it is somebody else's.
    #[error("{} belongs to user {uid}, not to root", path.display())]
    Owner {
        /// Which of them.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// Its mode, or that of a directory on the way to it, lets others change it.
    #[error("{} can be changed by others (mode {mode:04o})", path.display())]
    Writable {
        /// Which of them.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

const BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

impl Exposure {
    /// Of what is at `path`, if its owner is not one of the `trusted` users, or its group or
    /// everybody may write to it.
    pub fn of(path: &Path, stat: &FileStat, trusted: &[u32]) -> Option<Exposure> {
        if !trusted.contains(&stat.st_uid) {
            return Some(Exposure::Owner { path: path.to_owned(), uid: stat.st_uid });
        }
        let mode = stat.st_mode & 0o7777;
        // A link's mode says nothing.
        let is_link = stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFLNK.bits();
        (mode & BY_OTHERS != 0 && !is_link)
            .then(|| Exposure::Writable { path: path.to_owned(), mode })
    }

    /// The same for a directory that leads to something: where it is sticky, nobody replaces what
    /// is a trusted user's.
    pub(super) fn on_the_way(path: &Path, stat: &FileStat, trusted: &[u32]) -> Option<Exposure> {
        Exposure::of(path, stat, trusted).filter(
            |exposure| !matches!(exposure, Exposure::Writable { mode, .. } if mode & STICKY != 0),
        )
    }
}
