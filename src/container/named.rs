//! What engines call their containers, and the pods of these. An engine-independent place does not
//! exist: CRI has annotations in config.json, podman and Docker have files of their own, which the
//! bundle leads to.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::trusted;

/// A pod of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What an engine calls a container, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Called {
    pub name: Option<String>,
    pub pod: Option<Pod>,
}

/// Most characters of a name: those who write manifests choose it. Names of Kubernetes have 253 at
/// most.
const LONGEST: usize = 253;

/// Annotations with a container's name: containerd's CRI, CRI-O, nerdctl.
const NAMES: [&str; 3] =
    ["io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"];
/// With its pod's namespace and name: containerd's CRI, CRI-O.
const PODS: [(&str, &str); 2] = [
    ("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name"),
    ("io.kubernetes.pod.namespace", "io.kubernetes.pod.name"),
];
/// CRI-O has the kubelet's labels in one annotation, as JSON.
const LABELS: &str = "io.kubernetes.cri-o.Labels";

/// Files of containers/storage (podman, CRI-O, buildah) with all containers' names, beside the
/// directories of the containers. The second has those that don't outlast a restart (`--rm`).
const STORAGE: [&str; 2] = ["containers.json", "volatile-containers.json"];

/// Docker's file about a container.
const DOCKER: &str = "config.v2.json";

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
struct Mount {
    #[serde(default)]
    source: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Stored {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    name: String,
}

/// Looks up what engines call containers. Files that hold several containers are read again only
/// if they were replaced.
#[derive(Debug, Default)]
pub(super) struct Engines {
    storage: HashMap<PathBuf, (Stamp, HashMap<String, String>)>,
}

type Stamp = (u64, i64, i64);

impl Engines {
    /// What the engine calls the container with this bundle and this id. Files that others than root
    /// could have written are left out.
    pub fn called(&mut self, bundle: &Path, id: &str) -> Called {
        let config = trusted::read(&bundle.join("config.json")).ok();
        let config = config.and_then(|bytes| serde_json::from_slice::<Config>(&bytes).ok());
        let mut called = Called::default();
        if let Some(config) = &config {
            called = of_annotations(&config.annotations);
            called.name = called.name.or_else(|| docker(&config.mounts, id));
        }
        called.name = called.name.or_else(|| self.stored(bundle, id));
        called
    }

    /// A bundle of containers/storage is `.../overlay-containers/ID/userdata`.
    fn stored(&mut self, bundle: &Path, id: &str) -> Option<String> {
        let own = bundle.parent().filter(|own| own.file_name() == Some(id.as_ref()))?;
        let all = own.parent()?;
        STORAGE.iter().find_map(|file| {
            let names = self.names_in(all.join(file))?;
            names.get(id).cloned()
        })
    }

    fn names_in(&mut self, path: PathBuf) -> Option<&HashMap<String, String>> {
        let found = fs::metadata(&path).ok()?;
        let stamp = (found.ino(), found.mtime(), found.mtime_nsec());
        if self.storage.get(&path).is_none_or(|(known, _)| *known != stamp) {
            let stored: Vec<Stored> = serde_json::from_slice(&trusted::read(&path).ok()?).ok()?;
            let first = |Stored { id, names }| Some((id, bounded(names.first()?)));
            self.storage
                .insert(path.clone(), (stamp, stored.into_iter().filter_map(first).collect()));
        }
        self.storage.get(&path).map(|(_, names)| names)
    }
}

fn of_annotations(annotations: &BTreeMap<String, String>) -> Called {
    let labels = annotations.get(LABELS).and_then(|labels| serde_json::from_str(labels).ok());
    let labels: BTreeMap<String, String> = labels.unwrap_or_default();
    let value = |key: &str| {
        let value = annotations.get(key).or_else(|| labels.get(key));
        value.filter(|value| !value.is_empty()).map(|value| bounded(value))
    };
    Called {
        name: NAMES.iter().find_map(|key| value(key)),
        pod: PODS.iter().find_map(|(namespace, name)| {
            Some(Pod { namespace: value(namespace)?, name: value(name)? })
        }),
    }
}

/// Docker mounts files from the directory that it has for the container.
fn docker(mounts: &[Mount], id: &str) -> Option<String> {
    let sources = mounts.iter().filter_map(|mount| mount.source.as_deref()?.parent());
    let dir = sources.into_iter().find(|dir| dir.file_name() == Some(id.as_ref()))?;
    let docker: Docker = serde_json::from_slice(&trusted::read(&dir.join(DOCKER)).ok()?).ok()?;
    Some(bounded(docker.name.trim_start_matches('/')))
}

fn bounded(name: &str) -> String {
    name.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ID: &str = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";

    fn write(path: &Path, value: &Value) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    }

    fn called(config: &Value) -> Called {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("config.json"), config);
        Engines::default().called(dir.path(), ID)
    }

    fn pod(namespace: &str, name: &str) -> Option<Pod> {
        Some(Pod { namespace: namespace.into(), name: name.into() })
    }

    #[test]
    fn containerd() {
        let called = called(&json!({"annotations": {
            "io.kubernetes.cri.container-name": "web",
            "io.kubernetes.cri.sandbox-name": "web-0",
            "io.kubernetes.cri.sandbox-namespace": "shop",
        }}));
        assert_eq!((called.name.as_deref(), called.pod), (Some("web"), pod("shop", "web-0")));
    }

    #[test]
    fn cri_o() {
        let labels = json!({
            "io.kubernetes.container.name": "web",
            "io.kubernetes.pod.name": "web-0",
            "io.kubernetes.pod.namespace": "shop",
        });
        let expected = (Some("web"), pod("shop", "web-0"));
        let plain = called(&json!({"annotations": labels}));
        assert_eq!((plain.name.as_deref(), plain.pod), expected);
        let one = called(&json!({"annotations": {LABELS: labels.to_string()}}));
        assert_eq!((one.name.as_deref(), one.pod), expected);
    }

    #[test]
    fn podman() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("overlay-containers").join(ID).join("userdata");
        write(&bundle.join("config.json"), &json!({"annotations": {"x": "y"}}));
        let mut engines = Engines::default();
        assert_eq!(engines.called(&bundle, ID), Called::default());
        let all = dir.path().join("overlay-containers");
        write(&all.join("containers.json"), &json!([{"id": "other", "names": ["no"]}]));
        let file = all.join("volatile-containers.json");
        write(&file, &json!([{"id": ID, "names": ["web"], "metadata": "x"}]));
        assert_eq!(engines.called(&bundle, ID).name.as_deref(), Some("web"));
        fs::remove_file(&file).unwrap();
        write(&file, &json!([{"id": ID, "names": ["renamed"]}]));
        assert_eq!(engines.called(&bundle, ID).name.as_deref(), Some("renamed"));
    }

    #[test]
    fn docker() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("containers").join(ID);
        write(&own.join(DOCKER), &json!({"ID": ID, "Name": "/web", "State": {}}));
        let mounts = json!([{"source": "proc"}, {"source": own.join("resolv.conf")}, {}]);
        assert_eq!(called(&json!({"mounts": mounts})).name.as_deref(), Some("web"));
    }

    #[test]
    fn what_is_not_known_is_none_and_long_names_are_cut() {
        assert_eq!(called(&json!({})), Called::default());
        assert_eq!(called(&json!([])), Called::default());
        let long = "x".repeat(300);
        let name = called(&json!({"annotations": {"nerdctl/name": long}})).name.unwrap();
        assert_eq!(name.len(), LONGEST);
    }
}
