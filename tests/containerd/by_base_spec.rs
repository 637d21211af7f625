//! `base_runtime_spec`, with devgate as a hook of it: the containers of pods.

use std::fs;

use serde_json::Value;

use crate::common::engine::container::Gated;
use crate::common::engine::place::Place;
use crate::daemon::Containerd;
use crate::kinds::{COMPLAINT, DEVICE, Kind, PLAIN, PRIVILEGED, RULES, UNKNOWN_PERMISSION};
use crate::pods::{Pod, Runtime};
use crate::spec::{Spec, devgate, foreign};
use crate::version::{Version, each};

fn runtime(version: Version, place: Place, hooks: &[Value]) -> Runtime {
    let base = Spec::new(version, hooks);
    Runtime::new(Containerd::start(version, place, Some(&base)))
}

fn devgates(version: Version) -> Runtime {
    let place = Place::new();
    let hooks = [devgate(&place)];
    runtime(version, place, &hooks)
}

/// A container of this kind runs under devgate's program alone, and goes.
#[track_caller]
fn expect(runtime: &Runtime, pod: &Pod, kind: &Kind) -> Gated {
    let container = pod.start(pod.config(&kind.asked, kind.steps));
    let container = container.unwrap_or_else(|status| panic!("{}: {status}", kind.name));
    container.expect(kind.steps);
    let gated = runtime.containerd.expect_gated(&container.id, kind);
    container.remove();
    gated.assert_gone();
    gated
}

#[test]
fn a_container_opens_what_its_pod_says() {
    each(|version| {
        let runtime = devgates(version);
        let pod = runtime.start_pod().expect("a pod starts");
        for kind in [&PLAIN, &DEVICE, &PRIVILEGED] {
            println!("{version:?}, {}", kind.name);
            expect(&runtime, &pod, kind);
        }
        pod.remove();
        runtime.containerd.assert_empty();
    });
}

#[test]
fn a_container_that_the_hook_refuses_does_not_start() {
    each(|version| {
        let runtime = devgates(version);
        let pod = runtime.start_pod().expect("a pod starts");
        let refused = pod.start(pod.config(&UNKNOWN_PERMISSION, &[])).err();
        let refused = refused.expect("it does not start").to_string();
        assert!(refused.contains(COMPLAINT), "{refused}");
        pod.remove();
        runtime.containerd.assert_empty();
    });
}

/// CRI itself has no device rules.
#[test]
fn rules_of_the_base_spec() {
    each(|version| {
        let place = Place::new();
        let mut base = Spec::new(version, &[devgate(&place)]);
        let crate::kinds::Asked::Rules(rules) = RULES.asked else { unreachable!() };
        base.set_rules(serde_json::from_str(rules).unwrap());
        let runtime = Runtime::new(Containerd::start(version, place, Some(&base)));
        let pod = runtime.start_pod().expect("a pod starts");
        let container = pod.start(pod.config(&PLAIN.asked, RULES.steps)).unwrap();
        container.expect(RULES.steps);
        println!("{:?}", runtime.containerd.expect_gated(&container.id, &RULES));
        container.remove();
        let container = pod.start(pod.config(&DEVICE.asked, DEVICE.steps)).unwrap();
        container.expect(DEVICE.steps);
        println!("{:?}", runtime.containerd.expect_gated(&container.id, &DEVICE));
        container.remove();
        pod.remove();
    });
}

#[test]
fn other_hooks_run_before_and_after() {
    each(|version| {
        let place = Place::new();
        let [before, after] = ["before", "after"].map(|name| place.path(name));
        let hooks = [foreign(&before), devgate(&place), foreign(&after)];
        let runtime = runtime(version, place, &hooks);
        let pod = runtime.start_pod().expect("a pod starts");
        expect(&runtime, &pod, &PLAIN);
        assert!([before, after].iter().all(|file| fs::exists(file).expect("it can be told")));
        pod.remove();
    });
}

#[test]
fn the_next_container_of_a_pod_has_a_new_program() {
    each(|version| {
        let runtime = devgates(version);
        let pod = runtime.start_pod().expect("a pod starts");
        let [first, second] = [(); 2].map(|()| expect(&runtime, &pod, &DEVICE));
        assert_ne!(first.program, second.program);
        pod.remove();
    });
}
