//! What is no JSON.

use super::stage::Stage;

const STATE: &str = "state (standard input)";
const CONFIG: &str = "config.json (standard input)";

#[test]
fn empty_input() {
    let stage = Stage::new();
    for nothing in ["", " ", "\n", " \t\r\n \n"] {
        stage.fails(nothing, &format!("{STATE}: empty, expected JSON"));
    }
}

#[test]
fn configs_that_are_no_json() {
    let stage = Stage::new();
    let cases = [
        ("{", "line 1, column 1: EOF while parsing an object"),
        (r#"{"linux""#, "line 1, column 8: EOF while parsing an object"),
        (r#"{"linux":"#, "line 1, column 9: EOF while parsing a value"),
        (r#"{"linux":{"resources""#, "line 1, column 21: EOF while parsing an object"),
        (
            r#"{"linux":{"resources":{"devices":[{"allow":tru"#,
            "line 1, column 46: EOF while parsing a value",
        ),
        (
            r#"{"linux":{"resources":{"devices":[{"allow":true}"#,
            "line 1, column 48: EOF while parsing a list",
        ),
        (
            r#"{"linux":{"resources":{"devices":[{"allow":true}]}}"#,
            "line 1, column 51: EOF while parsing an object",
        ),
        (
            r#"{"linux":{"resources":{"devices":[{"allow":true},]}}}"#,
            "line 1, column 50: trailing comma",
        ),
        (
            r#"{"linux":{"resources":{"devices":[{"allow":true}}}}"#,
            "line 1, column 49: expected `,` or `]`",
        ),
        (
            r#"{"linux":{"resources":{"devices":[{"allow":true,"major":01}]}}}"#,
            "line 1, column 58: invalid number",
        ),
        ("{'linux':{}}", "line 1, column 2: key must be a string"),
        ("//\n{}", "line 1, column 1: expected value"),
        ("\u{feff}{}", "line 1, column 1: expected value"),
        (r#"{"a":NaN}"#, "line 1, column 6: expected value"),
    ];
    let case =
        |(config, problem): (&str, &str)| (stage.state() + config, format!("{CONFIG}: {problem}"));
    stage.all_fail(cases.into_iter().map(case));
}

/// Lines are those of the document that is named, not of all of standard input.
#[test]
fn lines_are_counted_from_the_documents_start() {
    let stage = Stage::new();
    let config = "{\n  \"linux\": {\n    \"resources\": x\n  }\n}\n";
    let problem = format!("{CONFIG}: line 3, column 18: expected value");
    stage.all_fail([
        (stage.state() + config, problem.clone()),
        (stage.state() + "\n" + config, problem.clone()),
        (stage.state() + "\n\n" + config, problem),
    ]);
}

#[test]
fn states_that_are_no_json() {
    let stage = Stage::new();
    let cases = [
        ("{", "line 1, column 1: EOF while parsing an object"),
        ("x", "line 1, column 1: expected value"),
        (r#"{"id":"c1""#, "line 1, column 10: EOF while parsing an object"),
        (r#"{"id":"c1"#, "line 1, column 9: EOF while parsing a string"),
        (r#"{"id":"c1",}{}"#, "line 1, column 12: trailing comma"),
        (
            "{\"id\":\"c\n1\"}{}",
            "line 2, column 0: control character (\\u0000-\\u001F) found while parsing a string",
        ),
    ];
    let case = |(state, problem): (&str, &str)| (state.to_owned(), format!("{STATE}: {problem}"));
    stage.all_fail(cases.into_iter().map(case));
}

#[test]
fn text_that_is_not_utf_8() {
    let stage = Stage::new();
    let rule = br#"{"linux":{"resources":{"devices":[{"allow":true,"type":""#;
    let config = [rule.as_slice(), b"\xff\"}]}}}"].concat();
    let input = [stage.state().into_bytes(), config].concat();
    stage.fails(input, &format!("{CONFIG}: line 1, column 57: invalid unicode code point"));
}

#[test]
fn deep_nesting_ends_no_process() {
    let stage = Stage::new();
    let (open, close) = ("[".repeat(1_000_000), "]".repeat(1_000_000));
    stage.fails(
        stage.state() + r#"{"x":"# + &open,
        &format!("{CONFIG}: line 1, column 1000005: EOF while parsing a list"),
    );
    stage.fails(
        format!(r#"{}{{"x":{open}{close},"linux":5}}"#, stage.state()),
        &format!("{CONFIG}: linux: invalid type: integer `5`, expected an object"),
    );
}
