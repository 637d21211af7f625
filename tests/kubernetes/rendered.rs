//! What kustomize makes of the folders.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::common::command::run;
use super::common::require::require;

/// The folders that an operator applies.
pub const FOLDERS: [&str; 3] = ["base", "uninstall", "purge"];

/// YAML is read by what the validator brings along.
const TO_JSON: &str = "
import json, sys, yaml
json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)
";

/// A program that `make test-deps` puts below target.
pub fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(name)
}

pub fn ready() -> bool {
    let names = ["kubectl", "kubernetes/bin/kubernetes-validate"];
    let missing = names.into_iter().find(|name| !tool(name).exists());
    let why = missing.map(|name| format!("{name} is missing; `make test-deps` installs it"));
    require(why.is_none(), why.as_deref().unwrap_or_default())
}

/// The folder's manifests, as YAML.
pub fn yaml(folder: &str) -> String {
    yaml_of(&Path::new(SOURCES).join(folder))
}

/// Where the folders are.
pub const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hooks/kubernetes");

/// The manifests of a folder anywhere, as YAML.
pub fn yaml_of(dir: &Path) -> String {
    let run = run(Command::new(tool("kubectl")).arg("kustomize").arg(dir), "");
    run.success().to_owned()
}

/// The folder's resource of this kind.
pub fn resource(folder: &str, kind: &str) -> Value {
    let python = tool("kubernetes/bin/python");
    let run = run(Command::new(python).args(["-c", TO_JSON]), yaml(folder));
    let resources: Vec<Value> = serde_json::from_str(run.success()).expect("JSON");
    let mut of_kind = resources.into_iter().filter(|resource| resource["kind"] == kind);
    let found = of_kind.next().unwrap_or_else(|| panic!("{folder} has no {kind}"));
    assert!(of_kind.next().is_none(), "{folder} has more than one {kind}");
    found
}

/// The folder's pods.
pub fn pod(folder: &str) -> Value {
    resource(folder, "DaemonSet")["spec"]["template"]["spec"].take()
}
