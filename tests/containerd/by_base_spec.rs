//! `base_runtime_spec`, with devgate as a hook of it: the containers of pods.

use std::fs;

use serde_json::Value;

use crate::common::command::devgate;
use crate::common::engine::answers::Answer::{Passed, Refused};
use crate::common::engine::answers::Steps;
use crate::common::engine::watch::Inspected;
use crate::common::own::isolate;
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

/// `devgate denials` tells the container, its pod, and how often it was refused each device.
#[test]
fn what_a_pods_container_was_denied_is_counted() {
    const STEPS: &Steps = &[
        ("m /dev/other c 10 229", Passed),
        ("r /dev/other", Refused),
        ("r /dev/other", Refused),
        ("rw /dev/other", Refused),
    ];
    isolate();
    each(|version| {
        let runtime = runtime(version);
        let pod = runtime.start_pod();
        let containerd = &runtime.containerd;
        let top = format!("/sys/fs/cgroup{}", containerd.place().cgroup_name());
        containerd.devgate(&["observe", "start", "--cgroup", &top]);
        let container = pod.start(pod.config(&Asked::Nothing, STEPS)).expect("it starts");
        container.expect(STEPS);
        let id = container.id.clone();
        assert_denied(containerd, &id, false);
        container.remove();
        assert_denied(containerd, &id, true);
        pod.remove();
        containerd.devgate(&["observe", "stop"]);
        containerd.assert_empty();
    });
}

#[track_caller]
fn assert_denied(containerd: &Containerd, id: &str, has_ended: bool) {
    let denials = containerd.devgate(&["denials", id, "--json"]);
    let denials: Value = serde_json::from_str(&denials).expect("JSON");
    let rows = denials["denials"].as_array().expect("a list");
    let mut counts: Vec<String> =
        rows.iter().map(|row| format!("{} {}", row["access"], row["count"])).collect();
    counts.sort();
    assert_eq!(counts, [r#""r" 2"#, r#""rw" 1"#], "{denials}");
    for row in rows {
        assert_eq!((&row["name"], &row["pod"]), (&"container".into(), &"pod".into()), "{row}");
        assert_eq!((&row["namespace"], &row["container"]), (&"default".into(), &id.into()));
        assert_eq!(row["ended"].is_string(), has_ended);
        assert_eq!((&row["major"], &row["minor"]), (&10.into(), &229.into()));
    }
}
