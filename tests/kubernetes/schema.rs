//! The manifests are of Kubernetes' own schema, in which no field may be unknown.

use std::process::Command;

use super::common::command::{Run, run};
use super::rendered::{FOLDERS, ready, tool, yaml};

/// The first that knows every field used here, and the newest that the validator does.
pub const VERSIONS: [&str; 2] = ["1.30", "1.37"];

pub fn validate(version: &str, yaml: &str) -> Run {
    let mut command = Command::new(tool("kubernetes/bin/kubernetes-validate"));
    run(command.args(["--strict", "--kubernetes-version", version, "-"]), yaml)
}

#[test]
fn every_folder_is_valid() {
    if !ready() {
        return;
    }
    for folder in FOLDERS {
        let yaml = yaml(folder);
        for version in VERSIONS {
            // A kind without a schema would only get a warning.
            let passed = |resource| {
                format!("INFO - passed for resource {resource}/devgate against version {version}\n")
            };
            let run = validate(version, &yaml);
            assert_eq!(run.success(), passed("namespace") + &passed("daemonset"), "{folder}");
        }
    }
}

#[test]
fn a_mistake_is_found() {
    if !ready() {
        return;
    }
    let yaml = yaml("base");
    for (right, wrong, complaint) in [
        ("readOnlyRootFilesystem:", "readOnlyRootFileSystem:", "'readOnlyRootFileSystem' was unex"),
        ("hostPath:", "hostpath:", "'hostpath' was unexpected"),
        ("maxUnavailable: 1", "maxUnavailable: [1]", "maxUnavailable: [1]"),
        (
            "automountServiceAccountToken: false",
            "automountServiceAccountToken: no-one",
            "'boolean'",
        ),
    ] {
        assert!(yaml.contains(right), "{right}");
        let run = validate("1.37", &yaml.replace(right, wrong));
        assert_eq!(run.code, Some(1), "{wrong}: {run:?}");
        assert!(run.text().contains(complaint), "{wrong}: {run:?}");
    }
}
