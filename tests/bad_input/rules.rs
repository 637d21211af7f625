//! One rule of `linux.resources.devices` is not as it has to be (DESIGN.md 2.5).

use super::stage::Stage;

/// A config whose fourth rule is malformed fails with this, behind the rule's path.
fn fourth_rule(cases: &[(&str, &str)]) {
    let stage = Stage::new();
    let rule = r#"{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}"#;
    let case = |(malformed, problem): &(&str, &str)| {
        let config = format!(
            r#"{{"linux":{{"resources":{{"devices":[{rule},{rule},{rule},{malformed},{rule}]}}}}}}"#
        );
        let path = "config.json (standard input): linux.resources.devices[3]";
        (stage.state() + &config, format!("{path}{problem}"))
    };
    stage.all_fail(cases.iter().map(case));
}

const RANGE: &str = "is out of range (0..=4294967295, or -1)";
const NO_INTEGER: &str = "expected an integer (0..=4294967295, or -1)";

#[test]
fn numbers() {
    let values = [
        ("4294967296", "4294967296 is out of range (0..=4294967295, or -1)".to_owned()),
        ("-2", format!("-2 {RANGE}")),
        ("-4294967297", format!("-4294967297 {RANGE}")),
        ("9223372036854775808", format!("9223372036854775808 {RANGE}")),
        ("18446744073709551615", format!("18446744073709551615 {RANGE}")),
        // serde_json has integers of 64 bits.
        (
            "18446744073709551616",
            format!("invalid type: floating point `1.8446744073709552e+19`, {NO_INTEGER}"),
        ),
        ("1.0", format!("invalid type: floating point `1.0`, {NO_INTEGER}")),
        ("1.5", format!("invalid type: floating point `1.5`, {NO_INTEGER}")),
        ("-1.0", format!("invalid type: floating point `-1.0`, {NO_INTEGER}")),
        ("1e3", format!("invalid type: floating point `1000.0`, {NO_INTEGER}")),
        (r#""1""#, format!("invalid type: string \"1\", {NO_INTEGER}")),
        (r#""*""#, format!("invalid type: string \"*\", {NO_INTEGER}")),
        ("null", format!("invalid type: null, {NO_INTEGER}")),
        ("true", format!("invalid type: boolean `true`, {NO_INTEGER}")),
        ("[1]", format!("invalid type: sequence, {NO_INTEGER}")),
        ("{}", format!("invalid type: map, {NO_INTEGER}")),
    ];
    for field in ["major", "minor"] {
        let cases: Vec<(String, String)> = values
            .iter()
            .map(|(value, problem)| {
                let rule = format!(r#"{{"allow":true,"type":"c","{field}":{value}}}"#);
                (rule, format!(".{field}: {problem}"))
            })
            .collect();
        let cases: Vec<(&str, &str)> =
            cases.iter().map(|(rule, problem)| (rule.as_str(), problem.as_str())).collect();
        fourth_rule(&cases);
    }
}

#[test]
fn types() {
    fourth_rule(&[
        (
            r#"{"allow":true,"type":"u"}"#,
            r#".type: "u" is not a type of a device rule (expected "a", "b" or "c")"#,
        ),
        (
            r#"{"allow":true,"type":"p"}"#,
            r#".type: "p" is not a type of a device rule (expected "a", "b" or "c")"#,
        ),
        (
            r#"{"allow":true,"type":"x"}"#,
            r#".type: "x" is not a type of a device rule (expected "a", "b" or "c")"#,
        ),
        (
            r#"{"allow":true,"type":"C"}"#,
            r#".type: "C" is not a type of a device rule (expected "a", "b" or "c")"#,
        ),
        (
            r#"{"allow":true,"type":""}"#,
            r#".type: "" is not a type of a device rule (expected "a", "b" or "c")"#,
        ),
        (
            r#"{"allow":true,"type":"c\n\u001b[31m"}"#,
            r#".type: "c\n\u{1b}[31m" is not a type of a device rule (expected "a", "b" or "c")"#,
        ),
        (
            r#"{"allow":true,"type":null}"#,
            r#".type: invalid type: null, expected a device type ("a", "b" or "c")"#,
        ),
        (
            r#"{"allow":true,"type":99}"#,
            r#".type: invalid type: integer `99`, expected a device type ("a", "b" or "c")"#,
        ),
        (
            r#"{"allow":true,"type":["c"]}"#,
            r#".type: invalid type: sequence, expected a device type ("a", "b" or "c")"#,
        ),
    ]);
}

#[test]
fn access() {
    fourth_rule(&[
        (
            r#"{"allow":true,"access":"x"}"#,
            r#".access: unknown access letter 'x' (expected letters of "rwm")"#,
        ),
        (
            r#"{"allow":true,"access":"rwx"}"#,
            r#".access: unknown access letter 'x' (expected letters of "rwm")"#,
        ),
        (
            r#"{"allow":true,"access":"RW"}"#,
            r#".access: unknown access letter 'R' (expected letters of "rwm")"#,
        ),
        (
            r#"{"allow":true,"access":"r w"}"#,
            r#".access: unknown access letter ' ' (expected letters of "rwm")"#,
        ),
        (
            r#"{"allow":true,"access":"r\u001b[31m"}"#,
            r#".access: unknown access letter '\u{1b}' (expected letters of "rwm")"#,
        ),
        (
            r#"{"allow":true,"access":null}"#,
            r#".access: invalid type: null, expected access letters (a string of "rwm")"#,
        ),
        (
            r#"{"allow":true,"access":7}"#,
            r#".access: invalid type: integer `7`, expected access letters (a string of "rwm")"#,
        ),
        (
            r#"{"allow":true,"access":["r","w"]}"#,
            r#".access: invalid type: sequence, expected access letters (a string of "rwm")"#,
        ),
    ]);
}

#[test]
fn allow() {
    fourth_rule(&[
        ("{}", ".allow: missing (expected true or false)"),
        (r#"{"type":"c","access":"rwm"}"#, ".allow: missing (expected true or false)"),
        (r#"{"allowed":true}"#, ".allow: missing (expected true or false)"),
        (r#"{"allow":null}"#, ".allow: invalid type: null, expected a boolean"),
        (r#"{"allow":1}"#, ".allow: invalid type: integer `1`, expected a boolean"),
        (r#"{"allow":"true"}"#, ".allow: invalid type: string \"true\", expected a boolean"),
    ]);
}

#[test]
fn duplicate_keys() {
    fourth_rule(&[
        (r#"{"allow":true,"allow":false}"#, ".allow: duplicate key (expected once)"),
        (r#"{"allow":true,"allow":true}"#, ".allow: duplicate key (expected once)"),
        (r#"{"allow":true,"type":"c","type":"b"}"#, ".type: duplicate key (expected once)"),
        (r#"{"allow":true,"major":1,"major":1}"#, ".major: duplicate key (expected once)"),
        (r#"{"allow":true,"minor":1,"minor":-1}"#, ".minor: duplicate key (expected once)"),
        (r#"{"allow":true,"access":"r","access":"w"}"#, ".access: duplicate key (expected once)"),
        (r#"{"allow":true,"minor":1,"\u006dinor":1}"#, ".minor: duplicate key (expected once)"),
    ]);
}

#[test]
fn no_rule_at_all() {
    fourth_rule(&[
        ("null", ": invalid type: null, expected a device rule (an object)"),
        ("true", ": invalid type: boolean `true`, expected a device rule (an object)"),
        ("7", ": invalid type: integer `7`, expected a device rule (an object)"),
        (
            r#""allow c 1:3 rwm""#,
            ": invalid type: string \"allow c 1:3 rwm\", expected a device rule (an object)",
        ),
        ("[]", ": invalid type: sequence, expected a device rule (an object)"),
        (r#"[true,"c",1,3,"rwm"]"#, ": invalid type: sequence, expected a device rule (an object)"),
    ]);
}
