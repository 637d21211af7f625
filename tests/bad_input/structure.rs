//! What is around the rules has the wrong shape.

use super::stage::Stage;

fn configs(cases: &[(&str, &str)]) {
    let stage = Stage::new();
    let case = |(config, problem): &(&str, &str)| {
        (stage.state() + config, format!("config.json (standard input): {problem}"))
    };
    stage.all_fail(cases.iter().map(case));
}

#[test]
fn wrong_types_at_each_level() {
    configs(&[
        ("[]", ".: invalid type: sequence, expected an object"),
        ("7", ".: invalid type: integer `7`, expected an object"),
        (r#""{}""#, ".: invalid type: string \"{}\", expected an object"),
        ("true", ".: invalid type: boolean `true`, expected an object"),
        ("null", ".: invalid type: null, expected an object"),
        (r#"{"linux":7}"#, "linux: invalid type: integer `7`, expected an object"),
        (r#"{"linux":[]}"#, "linux: invalid type: sequence, expected an object"),
        (r#"{"linux":"x"}"#, "linux: invalid type: string \"x\", expected an object"),
        (
            r#"{"linux":{"resources":false}}"#,
            "linux.resources: invalid type: boolean `false`, expected an object",
        ),
        (
            r#"{"linux":{"resources":[]}}"#,
            "linux.resources: invalid type: sequence, expected an object",
        ),
        (
            r#"{"linux":{"resources":{"devices":{}}}}"#,
            "linux.resources.devices: invalid type: map, expected an array of device rules",
        ),
        (
            r#"{"linux":{"resources":{"devices":"rwm"}}}"#,
            "linux.resources.devices: invalid type: string \"rwm\", expected an array of device \
             rules",
        ),
        (
            r#"{"linux":{"resources":{"devices":0}}}"#,
            "linux.resources.devices: invalid type: integer `0`, expected an array of device rules",
        ),
    ]);
}

#[test]
fn duplicate_keys_at_each_level() {
    configs(&[
        (
            r#"{"linux":{"resources":{"devices":[],"devices":[]}}}"#,
            "linux.resources.devices: duplicate key (expected once)",
        ),
        (
            r#"{"linux":{"resources":{"devices":null,"devices":[{"allow":true}]}}}"#,
            "linux.resources.devices: duplicate key (expected once)",
        ),
        (
            r#"{"linux":{"resources":{},"resources":{}}}"#,
            "linux.resources: duplicate key (expected once)",
        ),
        (
            r#"{"linux":{"resources":{"devices":[]},"resources":null}}"#,
            "linux.resources: duplicate key (expected once)",
        ),
        (r#"{"linux":{},"linux":{}}"#, "linux: duplicate key (expected once)"),
        (r#"{"linux":{},"process":{},"li\u006eux":{}}"#, "linux: duplicate key (expected once)"),
    ]);
}

#[test]
fn more_documents_than_two() {
    configs(&[
        ("{}{}", ".: more follows the first JSON value, which ends at byte 2"),
        ("{}\n\n{}\n", ".: more follows the first JSON value, which ends at byte 2"),
        ("{} x", ".: more follows the first JSON value, which ends at byte 2"),
        ("{},", ".: more follows the first JSON value, which ends at byte 2"),
        ("{}}", ".: more follows the first JSON value, which ends at byte 2"),
    ]);
}

/// Go's encoding/json takes them for the key itself.
#[test]
fn keys_in_another_letter_case_at_each_level() {
    let cases = [
        ("Linux", r#"{"Linux":{"resources":{"devices":[]}}}"#, "linux"),
        ("LINUX", r#"{"linux":{},"LINUX":null}"#, "linux"),
        ("linux.Resources", r#"{"linux":{"resources":{},"Resources":{}}}"#, "resources"),
        ("linux.re\u{17f}ources", r#"{"linux":{"re\u017fources":{}}}"#, "resources"),
        ("linux.resources.DEVICES", r#"{"linux":{"resources":{"DEVICES":[]}}}"#, "devices"),
        (
            "linux.resources.device\u{17f}",
            r#"{"linux":{"resources":{"device\u017f":7}}}"#,
            "devices",
        ),
    ];
    let stage = Stage::new();
    stage.all_fail(
        cases.map(|(path, config, name)| (stage.state() + config, other_case(path, name))),
    );
}

#[test]
fn keys_of_a_rule_in_another_letter_case() {
    let cases = [
        ("Allow", "allow"),
        ("TYPE", "type"),
        ("Major", "major"),
        ("mInOr", "minor"),
        ("Access", "access"),
        ("acce\u{17f}\u{17f}", "access"),
    ];
    let stage = Stage::new();
    stage.all_fail(cases.map(|(key, name)| {
        let rules = format!(r#"[{{"allow":false}},{{"allow":true,"{key}":7}}]"#);
        let config = format!(r#"{{"linux":{{"resources":{{"devices":{rules}}}}}}}"#);
        let path = format!("linux.resources.devices[1].{key}");
        (stage.state() + &config, other_case(&path, name))
    }));
}

fn other_case(path: &str, name: &str) -> String {
    format!(
        "config.json (standard input): {path}: the key must be written {name:?}: runc takes this \
         spelling for it and crun ignores it"
    )
}
