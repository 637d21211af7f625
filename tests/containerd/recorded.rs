//! Containers of pods are recorded, and run again under what was learnt.

use serde_json::Value;

use crate::common::command::devgate;
use crate::common::engine::answers::Answer::Passed;
use crate::common::engine::answers::Steps;
use crate::daemon::{self, Containerd};
use crate::kinds::Asked;
use crate::pods::Runtime;
use crate::spec::Spec;
use crate::version::{Version, each};

const STEPS: &Steps = &[
    ("r /dev/zero", Passed),
    ("w /dev/null", Passed),
    ("rw /dev/full", Passed),
    ("m /dev/fuse2 c 10 229", Passed),
    ("r /dev/fuse2", Passed),
    ("m /dev/loop b 510 7", Passed),
];

const RULES: &str = r#"[
    {"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}
]"#;

/// What becomes of the steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Passed,
    /// They may fail, and so may the start.
    Anything,
}

/// A container of a pod takes the steps, under these rules and with these options of the hook.
#[track_caller]
fn run(version: Version, rules: &str, options: &[&str], expected: Expected) {
    let place = daemon::place(version);
    let mut base = Spec::apply(version, &place);
    base.set_rules(rules);
    base.add_hook_options(options);
    base.write_base(&place);
    let runtime = Runtime::new(Containerd::start(version, place));
    let pod = runtime.start_pod();
    match (pod.start(pod.config(&Asked::Nothing, STEPS)), expected) {
        (Ok(container), Expected::Passed) => {
            container.expect(STEPS);
            container.remove();
        }
        (Ok(container), Expected::Anything) => {
            container.wait();
            container.remove();
        }
        (Err(status), Expected::Passed) => panic!("{status}"),
        (Err(_), Expected::Anything) => {}
    }
    pod.remove();
    runtime.containerd.assert_empty();
}

fn show(name: &str, args: &[&str]) -> Value {
    let run = devgate(&[&["record", "show", name], args].concat(), "");
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(run.text()).expect("JSON")
}

/// The devices of which requests were denied.
fn denied(name: &str) -> Vec<String> {
    let shown = show(name, &["--format", "json"]);
    let runs = shown["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 1, "{shown}");
    let asked = runs[0]["asked"].as_array().expect("requests").iter();
    let denied = asked.filter(|asked| asked["verdict"] == "deny");
    let request = |asked: &Value| {
        let text = |key: &str| asked[key].as_str().expect("text").to_owned();
        format!("{} {}:{} {}", text("type"), asked["major"], asked["minor"], text("access"))
    };
    denied.map(request).collect()
}

#[test]
fn a_workload_runs_again_under_what_was_learnt_and_needs_all_of_it() {
    each(|version| {
        let name = |what: &str| format!("{version:?}-{what}");
        let record = |name: &str| format!("--record={name}");
        let first = name("first");
        run(version, RULES, &[&record(&first)], Expected::Passed);
        assert_eq!(denied(&first), [""; 0]);
        let learnt = show(&first, &[]);
        let learnt = learnt.as_array().expect("rules");
        assert_eq!(learnt.len(), 5, "{learnt:?}");

        let rules = |rules: &[Value]| serde_json::to_string(rules).expect("JSON");
        let again = name("again");
        let options = ["--default-devices=none", &record(&again)];
        run(version, &rules(learnt), &options, Expected::Passed);
        assert_eq!(denied(&again), [""; 0]);

        for index in 0..learnt.len() {
            let mut fewer = learnt.clone();
            let removed = fewer.remove(index);
            let without = name(&format!("without-{index}"));
            let options = ["--default-devices=none", &record(&without)];
            run(version, &rules(&fewer), &options, Expected::Anything);
            let letter = removed["type"].as_str().expect("a type");
            let device = format!("{letter} {}:{} ", removed["major"], removed["minor"]);
            let denied = denied(&without);
            assert!(!denied.is_empty(), "{device} is not needed");
            assert!(denied.iter().all(|request| request.starts_with(&device)), "{denied:?}");
        }
    });
}
