//! Where runtimes keep what they know of their containers, in a table. Whatever the engine, the
//! state of its runtime names the container's bundle and its first process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use super::names::CRUN_LEAF;
use super::trusted::{self, TrustError};

/// What is right in a directory of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// A directory for each container, named by its id.
    Containers,
    /// A directory for each namespace of the engine, with those of its containers.
    Namespaces,
}

/// Roots of runtimes (`--root`). Podman, buildah and CRI-O leave them the default, which is the
/// first two rows; containerd and Docker name one of their own, for crun too.
const ROOTS: [(&str, Holds); 4] = [
    ("/run/runc", Holds::Containers),
    ("/run/crun", Holds::Containers),
    ("/run/containerd/runc", Holds::Namespaces),
    ("/run/docker/runtime-runc", Holds::Namespaces),
];

/// A runtime's file about one container.
#[derive(Clone, Copy, Debug)]
struct StateFile {
    name: &'static str,
    parse: fn(&[u8]) -> serde_json::Result<State>,
}

const STATE_FILES: [StateFile; 2] = [
    // runc
    StateFile { name: "state.json", parse: runc },
    // crun
    StateFile { name: "status", parse: crun },
];

/// What a runtime knows of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Its first process.
    pub pid: i32,
    /// When that started, if the state has it: in clock ticks since boot.
    pub started: Option<u64>,
    /// The directory with its config.json.
    pub bundle: PathBuf,
    /// What its own cgroup may be, by paths in the hierarchy: the first that its process is in.
    pub cgroups: Vec<PathBuf>,
}

/// Why a state can't be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// Its file can't be used.
    #[error(transparent)]
    File(#[from] TrustError),
    /// It is not what the runtime writes.
    #[error("{} is not a state that devgate knows", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Runc {
    init_process_pid: i32,
    #[serde(default)]
    init_process_start: u64,
    config: RuncConfig,
    /// By controller; cgroup2 has none.
    #[serde(default)]
    cgroup_paths: BTreeMap<String, PathBuf>,
}

#[derive(Deserialize)]
struct RuncConfig {
    labels: Vec<String>,
}

/// runc has the bundle among the labels of its own form of config.json.
fn runc(bytes: &[u8]) -> serde_json::Result<State> {
    let Runc { init_process_pid: pid, init_process_start, config, cgroup_paths } =
        serde_json::from_slice(bytes)?;
    let bundle = config.labels.iter().find_map(|label| label.strip_prefix("bundle="));
    let missing = || serde::de::Error::custom("config.labels has no bundle");
    let cgroups = Vec::from_iter(cgroup_paths.get("").and_then(|path| in_hierarchy(path)));
    let bundle = bundle.ok_or_else(missing)?.into();
    Ok(State { pid, started: started(init_process_start), bundle, cgroups })
}

/// Nothing starts at boot itself: 0 says that it could not be told.
fn started(ticks: u64) -> Option<u64> {
    Some(ticks).filter(|ticks| *ticks != 0)
}

/// runc has no other place for cgroup2 (libcontainer/cgroups, `defaultMountpoint` and `hybridMountpoint`).
fn in_hierarchy(path: &Path) -> Option<PathBuf> {
    const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let below = MOUNTS.iter().find_map(|mount| path.strip_prefix(mount).ok())?;
    Some(Path::new("/").join(below))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Crun {
    pid: i32,
    #[serde(default)]
    process_start_time: u64,
    bundle: PathBuf,
    cgroup_path: Option<PathBuf>,
}

/// In a scope crun makes a cgroup for the container's processes. Elsewhere the container itself
/// may have made one of that name.
fn crun(bytes: &[u8]) -> serde_json::Result<State> {
    let Crun { pid, process_start_time, bundle, cgroup_path } = serde_json::from_slice(bytes)?;
    let is_named = |path: &PathBuf| !path.as_os_str().is_empty();
    let mut cgroups = Vec::from_iter(cgroup_path.filter(is_named));
    if let Some(scope) = cgroups.first().filter(|path| path.extension() == Some("scope".as_ref())) {
        cgroups.insert(0, scope.join(CRUN_LEAF));
    }
    Ok(State { pid, started: started(process_start_time), bundle, cgroups })
}

/// The state in a container's directory; `None` while there is none.
pub(crate) fn state(dir: &Path) -> Result<Option<State>, StateError> {
    for StateFile { name, parse } in STATE_FILES {
        let path = dir.join(name);
        match trusted::read(&path) {
            Ok(bytes) => {
                return parse(&bytes).map(Some).map_err(|source| StateError::Form { path, source });
            }
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// The directories that hold containers now, those of the table and `more`.
pub(crate) fn directories(more: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = more.to_vec();
    for (root, holds) in ROOTS {
        match holds {
            Holds::Containers => found.push(root.into()),
            Holds::Namespaces => found.extend(subdirectories(Path::new(root))),
        }
    }
    found
}

/// Without a directory there is nothing in it.
fn subdirectories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_dir).map(|entry| entry.path()).collect()
}

/// What stands for a container's directory: one made later at the same path has another.
pub(crate) type Inode = u64;

/// The containers' directories right in this one.
///
/// # Errors
/// It is there and can't be listed.
pub(crate) fn containers(dir: &Path) -> io::Result<Vec<(PathBuf, Inode)>> {
    use std::os::unix::fs::DirEntryExt;
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push((entry.path(), entry.ino()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_runtimes_are_understood() {
        let runc = br#"{"id":"a","init_process_pid":7,"init_process_start":9,"config":{"labels":["x=y","bundle=/b"]},
            "cgroup_paths":{"":"/sys/fs/cgroup/a"}}"#;
        let crun = br#"{"pid":7,"process-start-time":9,"cgroup-path":"/a","bundle":"/b"}"#;
        for (name, text) in [("state.json", &runc[..]), ("status", &crun[..])] {
            let dir = tempfile::tempdir().unwrap();
            assert!(state(dir.path()).unwrap().is_none());
            fs::write(dir.path().join(name), text).unwrap();
            let (bundle, cgroups) = ("/b".into(), vec!["/a".into()]);
            let expected = State { pid: 7, started: Some(9), bundle, cgroups };
            assert_eq!(state(dir.path()).unwrap(), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_state_may_lack_a_start_and_a_cgroup() {
        for text in [
            &br#"{"pid":7,"bundle":"/b"}"#[..],
            br#"{"pid":7,"process-start-time":0,"bundle":"/b","cgroup-path":""}"#,
        ] {
            let State { started, cgroups, .. } = crun(text).unwrap();
            assert_eq!((started, cgroups), (None, vec![]));
        }
    }

    #[test]
    fn cruns_cgroup_within_a_scope_comes_first() {
        let text = br#"{"pid":7,"bundle":"/b","cgroup-path":"/x.slice/libpod-a.scope"}"#;
        let leaf = PathBuf::from("/x.slice/libpod-a.scope/container");
        assert_eq!(crun(text).unwrap().cgroups, [leaf.clone(), leaf.parent().unwrap().into()]);
    }

    #[test]
    fn what_others_could_have_written_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status");
        fs::write(&path, r#"{"pid":7,"bundle":"/b"}"#).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let error = state(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("can be changed by others (mode 0666)"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{}").unwrap();
        let error = state(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("status is not a state that devgate knows"), "{error}");
    }
}
