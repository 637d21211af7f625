//! NRI's hook-injector, a plugin of containerd 2: it gives the containers of pods the hooks of a
//! directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::engine::place::Place;
use crate::common::engine::watch::Inspected;
use crate::common::require::require;
use crate::cri::messages::ContainerConfig;
use crate::daemon::{self, Containerd};
use crate::kinds::{OF_PODS, PLAIN, UNKNOWN_PERMISSION};
use crate::pods::{Pod, Runtime};
use crate::spec::{Spec, install};
use crate::version::Version;

/// Where `make test-deps` puts the plugin.
const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/testbed/nri/hook-injector");

/// The directories that the plugin reads are the machine's; it sees the test's there.
const WITH_HOOKS: &str = r#"#!/bin/sh
exec unshare --mount --propagation private sh -ec '
mount -t tmpfs tmpfs /usr/share/containers
mount --bind @CONTAINERS@ /etc/containers
exec @PLUGIN@'
"#;

const KEY: &str = "io.example.gate";

fn is_ready() -> bool {
    let why = "hook-injector is missing; `make test-deps` builds it";
    Version::Two.is_ready() && require(Path::new(PLUGIN).is_file(), why)
}

/// A place with the plugin, and with devgate as a hook on these conditions.
fn place(conditions: &[&str]) -> Place {
    let place = daemon::place(Version::Two);
    let containers = place.path("containers");
    let hooks = format!("{containers}/oci/hooks.d");
    let mut args = vec!["nri", "--hooks-dir", &hooks];
    args.extend(conditions.iter().flat_map(|condition| ["--when", condition]));
    install(&args, &place).success();
    let plugins = place.dir().join("plugins");
    fs::create_dir(&plugins).expect("a folder can be made");
    let script = WITH_HOOKS.replace("@CONTAINERS@", &containers).replace("@PLUGIN@", PLUGIN);
    let file = plugins.join("10-hook-injector");
    fs::write(&file, script).expect("a file can be made");
    fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("its mode can be set");
    place
}

fn runtime(conditions: &[&str]) -> Runtime {
    Runtime::new(Containerd::start(Version::Two, place(conditions)))
}

/// The container runs without a program of devgate's.
#[track_caller]
fn expect_passed_by(pod: &Pod, config: ContainerConfig) {
    let container = pod.start(config).expect("it starts");
    container.expect(PLAIN.steps);
    Inspected::of(&container.cgroup).assert_none_of_ours();
    container.remove();
}

#[test]
fn a_container_opens_what_its_pod_says() {
    if !is_ready() {
        return;
    }
    let runtime = runtime(&[]);
    let pod = runtime.start_pod();
    for kind in OF_PODS {
        pod.expect(kind);
    }
    pod.remove();
    runtime.containerd.assert_empty();
}

#[test]
fn a_container_that_the_hook_refuses_does_not_start() {
    if !is_ready() {
        return;
    }
    let runtime = runtime(&[]);
    let pod = runtime.start_pod();
    pod.expect_refused(pod.config(&UNKNOWN_PERMISSION, &[]));
    pod.remove();
    runtime.containerd.assert_empty();
}

#[test]
fn an_annotation_of_the_pod_or_the_container_asks_for_the_hook() {
    if !is_ready() {
        return;
    }
    let runtime = runtime(&[&format!("annotation={KEY}=^on$")]);
    let plain = |pod: &Pod, value: Option<&str>| {
        let mut config = pod.config(&PLAIN.asked, PLAIN.steps);
        config.annotations.extend(value.map(|value| (KEY.to_owned(), value.to_owned())));
        config
    };
    let pod = runtime.start_pod();
    pod.expect_of(plain(&pod, Some("on")), &PLAIN);
    expect_passed_by(&pod, plain(&pod, Some("one")));
    expect_passed_by(&pod, plain(&pod, None));
    pod.remove();
    let pod = runtime.start_pod_annotated(&[(KEY, "on")]);
    pod.expect_of(plain(&pod, None), &PLAIN);
    pod.remove();
}

#[test]
fn a_command_asks_for_the_hook() {
    if !is_ready() {
        return;
    }
    for (command, asks) in [("^sh$", true), ("^bash$", false)] {
        let runtime = runtime(&[&format!("command={command}")]);
        let pod = runtime.start_pod();
        let config = pod.config(&PLAIN.asked, PLAIN.steps);
        if asks {
            pod.expect_of(config, &PLAIN);
        } else {
            expect_passed_by(&pod, config);
        }
        pod.remove();
    }
}

/// The plugin takes each of them for a bind mount, and no container of a pod is without any.
#[test]
fn bind_mounts_are_in_every_container() {
    if !is_ready() {
        return;
    }
    let runtime = runtime(&["bind-mounts"]);
    let pod = runtime.start_pod();
    pod.expect(&PLAIN);
    pod.remove();
}

#[test]
fn with_the_base_spec_too_there_is_one_program() {
    if !is_ready() {
        return;
    }
    let place = place(&[]);
    Spec::apply(Version::Two, &place);
    let runtime = Runtime::new(Containerd::start(Version::Two, place));
    let pod = runtime.start_pod();
    let gated = pod.expect(&PLAIN);
    let container = gated.cgroup.file_name().and_then(|name| name.to_str());
    let runs = runtime.containerd.hook_runs(container.expect("it is named like its cgroup"));
    assert_eq!(runs.len(), 2, "{runs:?}");
    pod.remove();
}
