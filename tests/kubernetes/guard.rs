//! The guard's DaemonSet, which is for an operator to add, alone or with an observer.

use serde_json::{Value, json};

use super::manifests::host_path;
use super::rendered::{pod, ready, yaml};
use super::schema::{VERSIONS, validate};

const FOLDER: &str = "guard";

/// The same pods, which start the observer first, or stop it.
const OBSERVING: [(&str, &str); 2] = [("observe", "start"), ("unobserve", "stop")];

#[test]
fn it_is_valid() {
    if !ready() {
        return;
    }
    for version in VERSIONS {
        let passed = format!(
            "INFO - passed for resource daemonset/devgate-guard against version {version}\n"
        );
        for folder in [FOLDER, "observe", "unobserve", "metrics"] {
            assert_eq!(validate(version, &yaml(folder)).success(), passed, "{folder}");
        }
    }
}

/// It takes no more of the node than the guard has.
#[test]
fn an_observer_is_started_and_stopped_beside_the_guard() {
    if !ready() {
        return;
    }
    for (folder, verb) in OBSERVING {
        let mut pod = pod(folder);
        let inits = pod["initContainers"].take();
        let [observe] = &inits.as_array().expect("a list")[..] else { panic!("{inits}") };
        pod.as_object_mut().expect("a pod").remove("initContainers");
        assert_eq!(pod, self::pod(FOLDER), "{folder}");
        let guard = &pod["containers"][0];
        assert_eq!(observe["args"], json!(["observe", verb]));
        assert_eq!(observe["image"], guard["image"]);
        let guards = guard["volumeMounts"].as_array().expect("a list");
        let mounts = observe["volumeMounts"].as_array().expect("a list");
        assert!(!mounts.is_empty() && mounts.iter().all(|mount| guards.contains(mount)));
    }
}

/// It takes no more of the node than the guard has, and listens on the pod's address alone.
#[test]
fn metrics_are_served_beside_the_observer() {
    if !ready() {
        return;
    }
    let mut pod = pod("metrics");
    let containers = pod["containers"].as_array_mut().expect("a list");
    let place = containers.iter().position(|container| container["name"] == "metrics");
    let metrics = containers.remove(place.expect("it is there"));
    assert_eq!(pod, self::pod("observe"));
    assert_eq!(metrics["args"], json!(["metrics", "--listen=0.0.0.0:10229"]));
    assert_eq!(metrics["ports"], json!([{"name": "metrics", "containerPort": 10229}]));
    let guard = &pod["containers"][0];
    assert_eq!(metrics["image"], guard["image"]);
    let guards = guard["volumeMounts"].as_array().expect("a list");
    for mount in metrics["volumeMounts"].as_array().expect("a list") {
        let mut writable = mount.clone();
        writable.as_object_mut().expect("a mount").remove("readOnly");
        assert!(guards.contains(mount) || guards.contains(&writable), "{mount}");
    }
}

/// It has the node's processes, cgroups and links, and no network or token.
#[test]
fn it_sees_what_it_guards() {
    if !ready() {
        return;
    }
    let pod = pod(FOLDER);
    assert_eq!((&pod["hostPID"], &pod["hostNetwork"]), (&json!(true), &Value::Null));
    assert_eq!(pod["automountServiceAccountToken"], false);
    let [guard] = &pod["containers"].as_array().expect("a list")[..] else { panic!("{pod}") };
    assert_eq!(guard["image"], concat!("devgate:", env!("CARGO_PKG_VERSION")));
    assert_eq!(guard["args"], json!(["guard"]));
    let mounts = guard["volumeMounts"].as_array().expect("a list");
    let writable = |mount: &&Value| mount["readOnly"] != true;
    let paths: Vec<String> =
        mounts.iter().filter(writable).map(|mount| host_path(&pod, mount)).collect();
    assert_eq!(paths, ["/run", "/sys/fs/bpf", "/sys/fs/cgroup"]);
    // Each is where the node has it: records and states have the node's paths.
    assert!(mounts.iter().all(|mount| mount["mountPath"] == host_path(&pod, mount)));
}
