//! Containers by their ids, as directories of cgroup2.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::id::IdError;
use super::names::{CRUN_LEAF, container_id};
use crate::cgroup::{Cgroup, CgroupError};

/// Why a container has no cgroup.
#[derive(Debug, Error)]
pub enum FindError {
    /// No cgroup has such a name.
    #[error(
        "no cgroup's name holds a container id that begins with {id:?}; a container's name is not its \
         id (podman inspect --format '{{{{.Id}}}}' NAME)"
    )]
    None {
        /// What was looked for.
        id: String,
    },
    /// Several have.
    #[error("several cgroups' names hold {id:?}: {}", list(matches))]
    Ambiguous {
        /// What was looked for.
        id: String,
        /// The cgroups.
        matches: Vec<PathBuf>,
    },
    /// There is nothing to look for.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The hierarchy can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A directory can't be listed.
    #[error("{} can't be listed", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    texts.join(", ")
}

/// The cgroup of the container whose id begins like this, or of which a directory has exactly
/// this name: looked for below `root`. Where crun has made one inside for the container's
/// processes, it is that.
///
/// # Errors
/// There is none, or more than one, or the id is empty.
pub fn find_container(root: &Path, id: &str) -> Result<Cgroup, FindError> {
    let matches = container_dirs(root, id)?;
    let path = match matches.as_slice() {
        [] => return Err(FindError::None { id: id.to_owned() }),
        [path] => path,
        _ => return Err(FindError::Ambiguous { id: id.to_owned(), matches }),
    };
    let leaf = path.join(CRUN_LEAF);
    Ok(Cgroup::open(if leaf.is_dir() { &leaf } else { path })?)
}

/// The directories below `root` of containers whose ids begin like this, and those of exactly this
/// name.
///
/// # Errors
/// Nothing is looked for, or a directory can't be listed.
pub fn container_dirs(root: &Path, id: &str) -> Result<Vec<PathBuf>, FindError> {
    if id.is_empty() {
        return Err(IdError::Empty.into());
    }
    let mut matches = Vec::new();
    search(root, id, &mut matches)?;
    Ok(matches)
}

fn search(dir: &Path, id: &str, matches: &mut Vec<PathBuf>) -> Result<(), FindError> {
    for path in directories(dir)? {
        let holds = container_id(&path).is_some_and(|found| found.starts_with(id));
        if holds || path.file_name().is_some_and(|name| name == id) {
            matches.push(path);
        } else {
            search(&path, id, matches)?;
        }
    }
    Ok(())
}

/// The directories below, by name. One that is removed meanwhile has none.
pub(crate) fn directories(dir: &Path) -> Result<Vec<PathBuf>, FindError> {
    let failed = |source| FindError::List { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut directories = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            directories.push(entry.path());
        }
    }
    directories.sort();
    Ok(directories)
}

/// A process in the cgroup or below it, by its id on the host.
pub fn pid_in(cgroup: &Path) -> Option<i32> {
    let own = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let first = own.lines().find_map(|line| line.parse().ok().filter(|pid| *pid > 0));
    first.or_else(|| directories(cgroup).ok()?.iter().find_map(|below| pid_in(below)))
}
