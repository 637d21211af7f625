//! runc's and crun's programs for several configs, on their containers' cgroups.

use serde_json::Value;

use super::common::command::devgate;
use super::common::engine::{self, runc::Runc, runc::Runtime};
use super::probe::Probe;

const CONFIGS: [(&str, &str); 4] = [
    ("plain", r#"[{"allow": false, "access": "rwm"}]"#),
    (
        "rules",
        r#"[{"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
            {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]"#,
    ),
    ("privileged", r#"[{"allow": true, "access": "rwm"}]"#),
    (
        "a write denied",
        r#"[{"allow": true, "access": "rwm"},
            {"allow": false, "type": "c", "major": 10, "minor": 229, "access": "w"}]"#,
    ),
];

#[test]
fn runcs_programs_are_what_they_are_decoded_to() {
    check("runc", Runtime::Runc);
}

#[test]
fn cruns_programs_are_what_they_are_decoded_to() {
    check("crun", Runtime::Crun);
}

fn check(generator: &str, runtime: Runtime) {
    if !engine::ready(generator) {
        return;
    }
    for (name, rules) in CONFIGS {
        Runc::of(runtime, rules).look(|cgroup| {
            let text = cgroup.to_str().expect("the path of a cgroup is text");
            let run = devgate(&["inspect", "--json", text], "");
            let report: Value = serde_json::from_str(run.success()).expect("one JSON object");
            assert_eq!(report["programs"][0]["generator"], generator, "{name}");
            let counts = Probe::new().assert_right_about(cgroup);
            println!("{generator}, {name}: {counts:?}");
        });
    }
}
