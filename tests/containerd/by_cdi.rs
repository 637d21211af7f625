//! A CDI device that brings devgate as a hook, for the containers of pods that name it. Only
//! containerd 2 knows CDI by itself.

use crate::common::engine::place::Place;
use crate::common::engine::watch::Inspected;
use crate::cri::messages::{CdiDevice, ContainerConfig};
use crate::daemon::{self, Containerd};
use crate::kinds::{OF_PODS, PLAIN, UNKNOWN_PERMISSION};
use crate::pods::Runtime;
use crate::spec::{Spec, install};
use crate::version::Version;

const DEVICE: &str = "devgate.io/policy=enforce";

/// How a container names the device.
const WAYS: [fn(ContainerConfig) -> ContainerConfig; 2] = [by_field, by_annotation];

fn by_field(mut config: ContainerConfig) -> ContainerConfig {
    config.cdi_devices.push(CdiDevice { name: DEVICE.to_owned() });
    config
}

fn by_annotation(mut config: ContainerConfig) -> ContainerConfig {
    config.annotations.insert("cdi.k8s.io/devgate".to_owned(), DEVICE.to_owned());
    config
}

/// A place with the device.
fn place() -> Place {
    let place = daemon::place(Version::Two);
    let dir = place.path("cdi");
    install(&["cdi", "--cdi-dir", &dir], &place).success();
    place
}

#[test]
fn a_container_that_names_the_device_is_gated() {
    if !Version::Two.is_ready() {
        return;
    }
    let runtime = Runtime::new(Containerd::start(Version::Two, place()));
    let pod = runtime.start_pod();
    for kind in OF_PODS {
        for named in WAYS {
            pod.expect_of(named(pod.config(&kind.asked, kind.steps)), kind);
        }
    }
    let neighbour = pod.start(pod.config(&PLAIN.asked, PLAIN.steps)).expect("it starts");
    neighbour.expect(PLAIN.steps);
    Inspected::of(&neighbour.cgroup).assert_none_of_ours();
    neighbour.remove();
    pod.remove();
    runtime.containerd.assert_empty();
}

/// A pod's annotations are not its containers'.
#[test]
fn an_annotation_of_the_pod_has_no_effect() {
    if !Version::Two.is_ready() {
        return;
    }
    let runtime = Runtime::new(Containerd::start(Version::Two, place()));
    let pod = runtime.start_pod_annotated(&[("cdi.k8s.io/devgate", DEVICE)]);
    let container = pod.start(pod.config(&PLAIN.asked, PLAIN.steps)).expect("it starts");
    container.expect(PLAIN.steps);
    Inspected::of(&container.cgroup).assert_none_of_ours();
    container.remove();
    pod.remove();
    runtime.containerd.assert_empty();
}

#[test]
fn a_container_that_the_hook_refuses_does_not_start() {
    if !Version::Two.is_ready() {
        return;
    }
    let runtime = Runtime::new(Containerd::start(Version::Two, place()));
    let pod = runtime.start_pod();
    for named in WAYS {
        pod.expect_refused(named(pod.config(&UNKNOWN_PERMISSION, &[])));
    }
    pod.remove();
    runtime.containerd.assert_empty();
}

#[test]
fn with_the_base_spec_too_there_is_one_program() {
    if !Version::Two.is_ready() {
        return;
    }
    let place = place();
    Spec::apply(Version::Two, &place);
    let runtime = Runtime::new(Containerd::start(Version::Two, place));
    let pod = runtime.start_pod();
    pod.expect_of(by_field(pod.config(&PLAIN.asked, PLAIN.steps)), &PLAIN);
    pod.remove();
}
