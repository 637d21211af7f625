//! A pod with one container, over CRI, as the kubelet starts them: by crictl, since only CRI's
//! containers have containerd's base spec and CRI-O's hooks.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use super::super::Scope;
use super::command::{command, output};
use super::probe::Probe;
use super::{Container, NoContainer, sound};
use crate::install::find_program;

/// Where the engines listen by default; crictl's own variable wins.
pub(super) const CRIO: &str = "unix:///run/crio/crio.sock";
pub(super) const CONTAINERD: &str = "unix:///run/containerd/containerd.sock";
const ENDPOINT: &str = "CONTAINER_RUNTIME_ENDPOINT";

const NAME: &str = "devgate-prove";

/// With the id of the process that has made the pod.
const LABEL: &str = "io.devgate.prove";

/// CRI's `NamespaceMode.NODE`: no network is set up.
const NODE: i32 = 2;

#[derive(Deserialize)]
struct Images {
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// CRI-O takes no bare id for the name of an image.
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    /// Bytes, in decimal digits.
    size: String,
}

struct Crictl<'s> {
    scope: &'s Scope,
    program: PathBuf,
    endpoint: String,
}

/// A pod, and its container once there is one.
struct Pod<'s> {
    crictl: Crictl<'s>,
    pod: String,
    container: String,
    ended: bool,
}

pub(super) fn start<'s>(
    scope: &'s Scope,
    probe: &Probe,
    endpoint: &str,
    runtime: Option<&str>,
) -> Result<Box<dyn Container + 's>, NoContainer> {
    let none = || NoContainer::Impossible("crictl, which speaks CRI, is not installed".to_owned());
    let program = find_program(&scope.root, "crictl").ok_or_else(none)?;
    sound(scope, &program)?;
    let endpoint = env::var(ENDPOINT).unwrap_or_else(|_| endpoint.to_owned());
    let crictl = Crictl { scope, program, endpoint };
    let image = crictl.smallest_image()?;
    let files = TempDir::with_prefix("devgate-prove-");
    let files = files.map_err(|error| NoContainer::Failed(error.to_string()))?;
    let pod = json!({
        "metadata": {"name": NAME, "namespace": NAME, "uid": format!("{NAME}-{}", process::id())},
        "labels": {LABEL: process::id().to_string()},
        "linux": {"security_context": {"namespace_options": {"network": NODE}}},
    });
    let mounts: Vec<_> = probe.files.iter().map(mount).collect();
    let container = json!({
        "metadata": {"name": NAME},
        "image": {"image": image},
        "command": probe.command,
        "stdin": true,
        "mounts": mounts,
        "linux": {},
    });
    let [pod, container] = [("pod", pod), ("container", container)].map(|(name, content)| {
        let file = files.path().join(name);
        std::fs::write(&file, content.to_string()).map(|()| file)
    });
    let failed = |error: std::io::Error| NoContainer::Failed(error.to_string());
    let (pod, container) = (pod.map_err(failed)?, container.map_err(failed)?);
    let id = crictl.run_pod(&pod, runtime)?;
    let mut running = Pod { crictl, pod: id, container: String::new(), ended: false };
    running.start(&container, &pod)?;
    Ok(Box::new(running))
}

fn mount((from, to): &(PathBuf, PathBuf)) -> serde_json::Value {
    json!({"host_path": from, "container_path": to, "readonly": true})
}

impl Crictl<'_> {
    fn command(&self) -> Command {
        let mut command = command(&self.program);
        command.arg("--runtime-endpoint").arg(&self.endpoint).args(["--timeout", "30s"]);
        command
    }

    /// Nothing is fetched: the image is one that the node has, for its folders alone.
    fn smallest_image(&self) -> Result<String, NoContainer> {
        let text = output(self.scope, self.command().args(["images", "--output", "json"]))?;
        let images: Images = serde_json::from_str(&text)
            .map_err(|error| NoContainer::Failed(format!("crictl images: {error}")))?;
        let size = |image: &Image| image.size.parse().unwrap_or(u64::MAX);
        let mut images = images.images;
        images.sort_by_key(size);
        let names = |image: Image| image.repo_tags.into_iter().chain(image.repo_digests);
        let none = || NoContainer::Impossible("the engine has no image with a name yet".to_owned());
        images.into_iter().flat_map(names).next().ok_or_else(none)
    }

    /// Without its id nobody could remove it, so this is not interrupted.
    fn run_pod(&self, pod: &Path, runtime: Option<&str>) -> Result<String, NoContainer> {
        let mut command = self.command();
        command.arg("runp").args(runtime.map(|runtime| format!("--runtime={runtime}")));
        match output(&self.scope.uninterrupted(), command.arg(pod)) {
            Ok(id) => Ok(id.trim().to_owned()),
            Err(why) => {
                self.remove_own();
                Err(why)
            }
        }
    }

    /// Of a pod that failed to start there may be something all the same.
    fn remove_own(&self) {
        let scope = self.scope.uninterrupted();
        let mut pods = self.command();
        pods.args(["pods", "--quiet", "--label", &format!("{LABEL}={}", process::id())]);
        for id in output(&scope, &mut pods).unwrap_or_default().lines() {
            drop(output(&scope, self.command().args(["rmp", "--force", id])));
        }
    }
}

impl Pod<'_> {
    fn start(&mut self, container: &Path, pod: &Path) -> Result<(), NoContainer> {
        let Crictl { scope, .. } = self.crictl;
        let mut create = self.crictl.command();
        create.args(["create", "--no-pull", &self.pod]).arg(container).arg(pod);
        output(scope, &mut create)?.trim().clone_into(&mut self.container);
        output(scope, self.crictl.command().args(["start", &self.container])).map(drop)
    }

    fn clear(&mut self) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        // Cleaning up is not interrupted.
        let scope = self.crictl.scope.uninterrupted();
        // The first process of a pid namespace minds no SIGTERM. It may not have been started.
        if !self.container.is_empty() {
            let mut stop = self.crictl.command();
            drop(output(&scope, stop.args(["stop", "--timeout", "0", &self.container])));
        }
        let mut remove = self.crictl.command();
        let removed = output(&scope, remove.args(["rmp", "--force", &self.pod]));
        removed.map(drop).map_err(|why| format!("pod {} is left: {why}", self.pod))
    }
}

impl Container for Pod<'_> {
    fn id(&self) -> &str {
        &self.container
    }

    fn end(mut self: Box<Self>) -> Result<(), String> {
        self.clear()
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        // Whoever wants to know has called end().
        let _ = self.clear();
    }
}
