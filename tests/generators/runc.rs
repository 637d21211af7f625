//! runc's program for several configs, on its container's cgroup.

use serde_json::Value;

use super::common::command::devgate;
use super::common::engine::{self, runc::Runc};
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
fn its_programs_are_what_they_are_decoded_to() {
    if !engine::ready("runc") {
        return;
    }
    for (name, rules) in CONFIGS {
        Runc::without_hook(rules).look(|cgroup| {
            let text = cgroup.to_str().expect("the path of a cgroup is text");
            let run = devgate(&["inspect", "--json", text], "");
            let report: Value = serde_json::from_str(run.success()).expect("one JSON object");
            assert_eq!(report["programs"][0]["generator"], "runc", "{name}");
            let counts = Probe::new().assert_right_about(cgroup);
            println!("{name}: {counts:?}");
        });
    }
}
