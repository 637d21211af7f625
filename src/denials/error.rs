//! Why the observer that stays can't be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::EndedError;
use crate::bpffs::PinDirError;
use crate::cgroup::CgroupError;
use crate::container::{FindError, NamingError};
use crate::files::ReadError;
use crate::observe::{ObserveError, Size};
use crate::run_dir::RunDirError;

/// Why the observer that stays can't be started, stopped, extended or read.
#[derive(Debug, Error)]
pub enum StandingError {
    /// The observer can't be loaded, attached, pinned or read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The directory of its pins can't be used.
    #[error(transparent)]
    Pins(#[from] PinDirError),
    /// /run/devgate can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// What ended containers were denied can't be read or written.
    #[error(transparent)]
    Ended(#[from] EndedError),
    /// A cgroup can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The cgroups below the root can't be listed.
    #[error(transparent)]
    List(#[from] FindError),
    /// Which container a cgroup is can't be told.
    #[error(transparent)]
    Naming(#[from] NamingError),
    /// Another devgate starts, stops or extends it, and takes its time.
    #[error("another devgate holds {}", path.display())]
    Busy {
        /// The lock's file.
        path: PathBuf,
    },
    /// The lock can't be taken.
    #[error("{} can't be locked", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file that says which cgroups are to be observed can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// It is not what devgate writes, or a newer devgate wrote it.
    #[error("{} is damaged: {problem}; run devgate observe stop, then start", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
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
    /// It runs and observes other cgroups than was asked for.
    #[error(
        "the observer that runs observes only what --cgroup named ({}); run devgate observe stop first",
        list(cgroups)
    )]
    OtherCgroups {
        /// These.
        cgroups: Vec<PathBuf>,
    },
    /// It runs and has another size than was asked for.
    #[error(
        "the observer that runs has {} rows for each of {} containers; run devgate observe stop first",
        size.per_container,
        size.containers
    )]
    OtherSize {
        /// Its size.
        size: Size,
    },
}

fn list(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    texts.join(", ")
}
