//! `base_runtime_spec`, with devgate as a hook of it: the containers of pods.

use std::fs;

use crate::common::command::devgate;
use crate::common::engine::watch::Inspected;
use crate::daemon::{self, Containerd};
use crate::kinds::{Asked, DEVICE, DEVICE_AND_RULES, OF_PODS, PLAIN, RULES, UNKNOWN_PERMISSION};
use crate::pods::Runtime;
use crate::spec::Spec;
use crate::version::{Version, each};

/// With devgate alone in the base spec.
fn runtime(version: Version) -> Runtime {
    let place = daemon::place(version);
    Spec::apply(version, &place);
    Runtime::new(Containerd::start(version, place))
}

#[test]
fn a_container_opens_what_its_pod_says() {
    each(|version| {
        let runtime = runtime(version);
        let pod = runtime.start_pod();
        for kind in OF_PODS {
            pod.expect(kind);
        }
        pod.remove();
        runtime.containerd.assert_empty();
    });
}

#[test]
fn a_container_that_the_hook_refuses_does_not_start() {
    each(|version| {
        let runtime = runtime(version);
        let pod = runtime.start_pod();
        pod.expect_refused(pod.config(&UNKNOWN_PERMISSION, &[]));
        pod.remove();
        runtime.containerd.assert_empty();
    });
}

/// A node's rules: the pod's devices come behind them.
#[test]
fn the_base_specs_rules_hold_for_every_container() {
    let Asked::Rules(rules) = RULES.asked else { panic!("they are rules") };
    each(|version| {
        let place = daemon::place(version);
        let mut base = Spec::apply(version, &place);
        base.set_rules(rules);
        base.write_base(&place);
        let runtime = Runtime::new(Containerd::start(version, place));
        let pod = runtime.start_pod();
        pod.expect_of(pod.config(&Asked::Nothing, RULES.steps), &RULES);
        pod.expect(&DEVICE_AND_RULES);
        pod.remove();
    });
}

#[test]
fn other_hooks_run_before_and_after() {
    each(|version| {
        let place = daemon::place(version);
        let [before, after] = ["before", "after"].map(|name| place.path(name));
        let mut base = Spec::apply(version, &place);
        base.add_hooks_around(&before, &after);
        base.write_base(&place);
        let runtime = Runtime::new(Containerd::start(version, place));
        let pod = runtime.start_pod();
        pod.expect(&PLAIN);
        assert!([before, after].iter().all(|file| fs::exists(file).expect("it can be told")));
        pod.remove();
    });
}

#[test]
fn the_next_container_of_a_pod_has_a_new_program() {
    each(|version| {
        let runtime = runtime(version);
        let pod = runtime.start_pod();
        let [first, second] = [(); 2].map(|()| pod.expect(&DEVICE));
        assert_ne!(first.program, second.program);
        pod.remove();
    });
}

/// Containers that end, and those that are removed while they run.
#[test]
fn a_stopped_container_leaves_no_pin_and_no_record() {
    each(|version| {
        let runtime = runtime(version);
        let pod = runtime.start_pod();
        let container = pod.start(pod.config(&PLAIN.asked, PLAIN.steps)).expect("it starts");
        container.expect(PLAIN.steps);
        let id = container.id.clone();
        let run = runtime.containerd.hook_runs(&id).pop().expect("the hook ran");
        let pin = run.pin.expect("it is held");
        let record = format!("/run/devgate/containers/{id}.json");
        let exist = || [&pin, &record].map(|path| fs::exists(path).expect("it can be told"));
        assert_eq!(exist(), [true; 2]);
        container.remove();
        assert_eq!(exist(), [false; 2]);
        let [released] = &runtime.containerd.releases(&id)[..] else { panic!("not one run") };
        assert_eq!((released.result.as_str(), released.pin.as_ref()), ("released", Some(&pin)));
        pod.remove();
    });
}

#[test]
fn an_uninstalled_hook_is_gone_with_the_next_start() {
    each(|version| {
        let place = daemon::place(version);
        let config = daemon::config(&place);
        let text = || fs::read_to_string(&config).expect("there is a configuration");
        let before = text();
        Spec::apply(version, &place);
        assert_ne!(text(), before);
        devgate(&["uninstall", "containerd", "--apply", "--config", &config], "").success();
        assert_eq!(text(), before);
        let runtime = Runtime::new(Containerd::start(version, place));
        let pod = runtime.start_pod();
        let container = pod.start(pod.config(&PLAIN.asked, PLAIN.steps)).expect("it starts");
        container.expect(PLAIN.steps);
        Inspected::of(&container.cgroup).assert_none_of_ours();
        container.remove();
        pod.remove();
    });
}

/// With `pod_annotations`, without which containerd hands none on.
#[test]
fn a_pods_annotations_reach_the_hook() {
    each(|version| {
        let runtime = runtime(version);
        let pod = runtime.start_pod_annotated(&[("io.devgate.other", "x")]);
        let gated = pod.expect(&PLAIN);
        let container = gated.cgroup.file_name().and_then(|name| name.to_str());
        let runs = runtime.containerd.hook_runs(container.expect("it is named like its cgroup"));
        let warning = "annotation \"io.devgate.other\" is unknown, passed over";
        assert_eq!(runs[0].warnings, [warning]);
        pod.remove();
    });
}
