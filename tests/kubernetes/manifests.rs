//! What the schema can't say of the manifests.

use std::path::Path;

use serde_json::{Value, json};

use super::rendered::{FOLDERS, pod, ready, resource};

/// The init container and the one that stays.
fn containers(pod: &Value) -> [&Value; 2] {
    ["initContainers", "containers"].map(|list| match pod[list].as_array().map(Vec::as_slice) {
        Some([container]) => container,
        other => panic!("not one container: {other:?}"),
    })
}

#[test]
fn the_image_is_of_this_version() {
    if !ready() {
        return;
    }
    let image = concat!("devgate:", env!("CARGO_PKG_VERSION"));
    for folder in FOLDERS {
        for container in containers(&pod(folder)) {
            assert_eq!(container["image"], image, "{folder}");
        }
    }
}

#[test]
fn pods_have_no_more_than_they_need() {
    if !ready() {
        return;
    }
    for folder in FOLDERS {
        let pod = pod(folder);
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
        for shared in ["hostNetwork", "hostPID", "hostIPC"] {
            assert_eq!(pod[shared], Value::Null, "{shared}");
        }
        let [init, stays] = containers(&pod);
        for (container, added) in [(init, json!(["CHOWN"])), (stays, Value::Null)] {
            let context = &container["securityContext"];
            assert_eq!(context["privileged"], false);
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
            assert_eq!(context["capabilities"]["add"], added);
        }
        for mount in stays["volumeMounts"].as_array().expect("a list") {
            let (at, from) = (text(&mount["mountPath"]), host_path(&pod, mount));
            assert_eq!(mount["readOnly"], true, "{at}");
            // As --prefix=/host has it.
            assert_eq!(at, format!("/host{from}"));
            assert!(!leads_to_sockets(&from), "{from}");
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// What of the node a volumeMount shows.
pub fn host_path(pod: &Value, mount: &Value) -> String {
    let volumes = pod["volumes"].as_array().expect("volumes");
    let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).expect("a volume");
    text(&volume["hostPath"]["path"]).to_owned()
}

/// Directories of nodes in which sockets are: of engines, of the kubelet and its plugins.
const SOCKETS: [&str; 8] = [
    "/dev",
    "/run",
    "/var/run",
    "/var/lib/containerd",
    "/var/lib/crio",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/lib/rancher",
];

fn leads_to_sockets(path: &str) -> bool {
    let path = Path::new(path);
    SOCKETS.iter().any(|dir| Path::new(dir).starts_with(path) || path.starts_with(dir))
}

#[test]
fn pods_are_on_every_linux_node() {
    if !ready() {
        return;
    }
    for folder in FOLDERS {
        let daemonset = resource(folder, "DaemonSet");
        let labels = &daemonset["spec"]["template"]["metadata"]["labels"];
        let selected = daemonset["spec"]["selector"]["matchLabels"].as_object().expect("labels");
        assert!(selected.iter().all(|(key, value)| labels[key] == *value), "{labels}");
        let pod = &daemonset["spec"]["template"]["spec"];
        assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
        assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]));
    }
}

/// What is asked now and then is what is watched.
#[test]
fn a_node_is_ready_when_the_doctor_says_so() {
    if !ready() {
        return;
    }
    let pod = pod("base");
    let [_, doctor] = containers(&pod);
    let probe = &doctor["readinessProbe"]["exec"]["command"];
    let args = ["doctor", "engines", "--among=crio,containerd", "--prefix=/host"];
    assert_eq!(*probe, json!([&["/devgate"], &args[..]].concat()));
    assert_eq!(doctor["args"], json!([&args[..], &["--watch"]].concat()));
}

/// Nothing is healthy once the hook is gone, and the rollout waits for what is ready.
#[test]
fn taking_it_away_waits_for_no_health() {
    if !ready() {
        return;
    }
    for folder in ["uninstall", "purge"] {
        let daemonset = resource(folder, "DaemonSet");
        let [_, doctor] = containers(&daemonset["spec"]["template"]["spec"]);
        assert_eq!(doctor["readinessProbe"], Value::Null);
        assert_eq!(daemonset["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"], "100%");
    }
}
