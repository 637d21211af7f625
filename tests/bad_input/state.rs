//! The state is JSON, and no state.

use super::stage::Stage;

fn states(cases: &[(&str, &str)]) {
    let stage = Stage::new();
    let case = |(state, problem): &(&str, &str)| {
        let state = state.replace("PID", &stage.pid().to_string());
        (state + "{}", format!("state (standard input): {problem}"))
    };
    stage.all_fail(cases.iter().map(case));
}

#[test]
fn no_object() {
    states(&[
        ("null", ".: invalid type: null, expected an object"),
        ("true", ".: invalid type: boolean `true`, expected an object"),
        ("7 ", ".: invalid type: integer `7`, expected an object"),
        (r#""c1""#, ".: invalid type: string \"c1\", expected an object"),
        ("[]", ".: invalid type: sequence, expected an object"),
        (r#"["c1",PID,"/no/bundle",null]"#, ".: invalid type: sequence, expected an object"),
    ]);
}

#[test]
fn the_containers_id() {
    states(&[
        ("{}", "id: missing (expected the container's id)"),
        (r#"{"pid":PID}"#, "id: missing (expected the container's id)"),
        (r#"{"id":1,"pid":PID}"#, "id: invalid type: integer `1`, expected a string"),
        (r#"{"id":null,"pid":PID}"#, "id: invalid type: null, expected a string"),
        (r#"{"id":"a","id":"a","pid":PID}"#, "id: duplicate key (expected once)"),
    ]);
}

const PID: &str = "is not a process id (expected 1..=2147483647)";
const NO_PID: &str = "expected an integer (1..=2147483647)";

#[test]
fn the_process_id() {
    let values = [
        ("0", format!("0 {PID}")),
        ("-1", format!("-1 {PID}")),
        ("-2147483649", format!("-2147483649 {PID}")),
        ("2147483648", format!("2147483648 {PID}")),
        // 1 if it were cut to 32 bits.
        ("4294967297", format!("4294967297 {PID}")),
        ("9223372036854775808", format!("9223372036854775808 {PID}")),
        ("1e20", format!("invalid type: floating point `1e+20`, {NO_PID}")),
        ("1.0", format!("invalid type: floating point `1.0`, {NO_PID}")),
        (r#""1""#, format!("invalid type: string \"1\", {NO_PID}")),
        ("true", format!("invalid type: boolean `true`, {NO_PID}")),
        ("[1]", format!("invalid type: sequence, {NO_PID}")),
        ("{}", format!("invalid type: map, {NO_PID}")),
        ("null", format!("invalid type: null, {NO_PID}")),
    ];
    let stage = Stage::new();
    let case = |(value, problem): (&str, String)| {
        let state = format!(r#"{{"id":"c1","pid":{value},"bundle":"/no/bundle"}}{{}}"#);
        (state, format!("state (standard input): pid: {problem}"))
    };
    stage.all_fail(values.into_iter().map(case));
    states(&[
        (r#"{"id":"c1"}"#, "pid: missing (expected the container's process id)"),
        (r#"{"id":"c1","pid":PID,"pid":PID}"#, "pid: duplicate key (expected once)"),
    ]);
}

#[test]
fn control_characters_come_out_escaped() {
    let stage = Stage::new();
    for (written, escaped) in [(r"\n", r"\n"), (r"\u001b[31m", r"\u{1b}[31m"), (r"\r", r"\r")] {
        let pid = stage.pid();
        stage.fails(
            format!(r#"{{"id":"c{written}1","pid":{pid},"bundle":"/no{written}where"}}"#),
            &format!(
                "state (standard input): bundle: /no{escaped}where can't be read: No such file or \
                 directory (os error 2)"
            ),
        );
    }
}

/// A message can be read, however long the values are that it is about. Whoever writes a pod's
/// manifest writes annotations.
#[test]
fn long_values_are_not_quoted_whole() {
    let stage = Stage::new();
    let long = "a".repeat(100_000);
    for (members, config) in [
        (format!(r#""annotations":{{"{long}":1}}"#), "{}"),
        (format!(r#""annotations":{{"io.devgate.default-devices":"{long}"}}"#), "{}"),
        (format!(r#""annotations":{{"io.devgate.log":"/{long}"}}"#), "{}"),
        (format!(r#""bundle":"/{long}""#), ""),
        (format!(r#""bundle":"{long}""#), ""),
    ] {
        let state = format!(r#"{{"id":"c1","pid":{},{members}}}{config}"#, stage.pid());
        let told = stage.told(state);
        assert!(told.len() < 2048 && told.contains("aaa"), "{} bytes: {told:.300}", told.len());
    }
}
