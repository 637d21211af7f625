//! Containers by their ids, as directories of cgroup2.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError};

/// What engines put before a container's id in the name of its scope.
const PREFIXES: [&str; 4] = ["libpod-", "crio-", "cri-containerd-", "docker-"];
const SUFFIX: &str = ".scope";

/// The least hexadecimal digits that make a bare name an id of the cgroupfs manager.
const ID_LENGTH: usize = 64;

/// crun puts the container's processes in here, below its scope.
const CRUN_LEAF: &str = "container";

/// Why a container has no cgroup.
#[derive(Debug, Error)]
pub enum FindError {
    /// No cgroup has such a name.
    #[error("no cgroup's name holds a container id that begins with {id:?}")]
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

/// The container that a cgroup of this name is likely to be, by the engines' habits: the id.
pub fn container_id(name: &str) -> Option<&str> {
    if let Some(unit) = name.strip_suffix(SUFFIX) {
        // conmon, which runs beside the container, has a scope too.
        let id = PREFIXES.iter().find_map(|prefix| unit.strip_prefix(prefix))?;
        return (!id.starts_with("conmon")).then_some(id);
    }
    let name = name.strip_prefix("libpod-").unwrap_or(name);
    let is_id = name.len() == ID_LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(name)
}

/// The cgroup of the container whose id begins like this, or of which a directory has exactly
/// this name: looked for below `root`. Where crun has made one inside for the container's
/// processes, it is that.
///
/// # Errors
/// There is none, or more than one.
pub fn find_container(root: &Path, id: &str) -> Result<Cgroup, FindError> {
    let mut matches = Vec::new();
    search(root, id, &mut matches)?;
    let path = match matches.as_slice() {
        [] => return Err(FindError::None { id: id.to_owned() }),
        [path] => path,
        _ => return Err(FindError::Ambiguous { id: id.to_owned(), matches }),
    };
    let leaf = path.join(CRUN_LEAF);
    Ok(Cgroup::open(if leaf.is_dir() { &leaf } else { path })?)
}

fn search(dir: &Path, id: &str, matches: &mut Vec<PathBuf>) -> Result<(), FindError> {
    for path in directories(dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let holds = container_id(&name).is_some_and(|found| found.starts_with(id));
        if holds || name == id {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_names_hold_ids() {
        let id = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";
        for name in [
            format!("libpod-{id}.scope"),
            format!("crio-{id}.scope"),
            format!("cri-containerd-{id}.scope"),
            format!("docker-{id}.scope"),
            format!("libpod-{id}"),
            id.to_owned(),
        ] {
            assert_eq!(container_id(&name), Some(id), "{name}");
        }
        for name in
            [format!("libpod-conmon-{id}.scope"), "session-1.scope".into(), "user.slice".into()]
        {
            assert_eq!(container_id(&name), None, "{name}");
        }
    }
}
