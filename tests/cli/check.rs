//! `devgate check`.

use std::fs;

use super::CONFIG;
use super::common::command::{Run, devgate};

fn check(args: &[&str]) -> Run {
    devgate(&[&["check", "--config", "-"][..], args].concat(), CONFIG)
}

#[test]
fn a_line_says_who_decided_each_bit() {
    let requests = ["c 10:229 rw", "c 1:11 rw", "c 1:3 rwm", "b 8:1 m", "c 5:1 r", "b 8:0 -"];
    let run = check(&requests);
    assert_eq!((run.code, run.stderr.as_str()), (Some(3), ""));
    assert_eq!(
        run.text(),
        "\
allow  c 10:229 rw           r: devices[1], w: devices[1]
deny   c 1:11 rw             r: devices[3], w: devices[4]
allow  c 1:3 rwm             r: base default, w: base default, m: base default
allow  b 8:1 m               m: base default
deny   c 5:1 r               r: devices[0]
allow  b 8:0 -               r: devices[2], w: devices[0], m: base default
"
    );
}

#[test]
fn where_no_rule_allows_that_is_said() {
    let run = devgate(
        &["check", "--config", "-", "--default-devices", "none", "c 1:3 rw", "c 1:3 -"],
        r#"{"linux":{"resources":{"devices":[{"allow":true,"type":"c","access":"m"}]}}}"#,
    );
    assert_eq!((run.code, run.stderr.as_str()), (Some(3), ""));
    assert_eq!(
        run.text(),
        "\
deny   c 1:3 rw              r: nothing allows it, w: nothing allows it
allow  c 1:3 -               r: nothing allows it, w: nothing allows it, m: devices[0]
"
    );
}

#[test]
fn json_is_an_object_a_line() {
    let run = check(&["--json", "c 10:229 rw", "c 1:11 rw", "c 1:3 w", "c 5:1 -"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(3), ""));
    assert_eq!(
        run.text(),
        r#"{"type":"c","major":10,"minor":229,"access":"rw","verdict":"allow","rules":{"r":1,"w":1}}
{"type":"c","major":1,"minor":11,"access":"rw","verdict":"deny","rules":{"r":3,"w":4}}
{"type":"c","major":1,"minor":3,"access":"w","verdict":"allow","rules":{"w":"base"}}
{"type":"c","major":5,"minor":1,"access":"-","verdict":"allow","rules":{"r":0,"w":0,"m":"base"}}
"#
    );
    let nobody = devgate(
        &["check", "--config", "-", "--json", "--default-devices", "none", "b 4294967295:0 r"],
        "{}",
    );
    assert_eq!(
        nobody.text(),
        r#"{"type":"b","major":4294967295,"minor":0,"access":"r","verdict":"deny","rules":{"r":null}}
"#
    );
}

#[test]
fn exit_codes() {
    assert_eq!(check(&["c 1:3 rw", "c 10:229 r"]).code, Some(0));
    assert_eq!(check(&["c 1:3 rw", "c 10:229 m", "c 1:11 w"]).code, Some(3));
    for bad_usage in [&[][..], &["c 1:3"], &["c 1:3 x"], &["a 1:3 r"], &["c 1:-1 r"], &["c 1:* r"]]
    {
        let run = check(bad_usage);
        assert_eq!((run.code, run.text()), (Some(2), ""), "{bad_usage:?}");
    }
    let run = devgate(&["check", "--config", "-", "c 1:3 r"], "{");
    assert_eq!(
        run.failure(),
        "config.json (standard input): line 1, column 1: EOF while parsing an object"
    );
    let run = devgate(&["check", "--config", "/no/such.json", "c 1:3 r"], "");
    assert_eq!(
        run.failure(),
        "/no/such.json: can't be read: No such file or directory (os error 2)"
    );
}

#[test]
fn default_devices() {
    let verdict = |mode, request| {
        let run = check(&["--default-devices", mode, request]);
        let word = run.text().split(' ').next().unwrap_or_default().to_owned();
        (run.code, word)
    };
    let (allow, deny) = ((Some(0), "allow".to_owned()), (Some(3), "deny".to_owned()));
    assert_eq!(verdict("base", "c 1:3 rw"), allow);
    assert_eq!(verdict("base", "c 10:200 rw"), deny);
    assert_eq!(verdict("append", "c 1:3 rw"), allow);
    assert_eq!(verdict("append", "c 10:200 rw"), allow);
    assert_eq!(verdict("none", "c 1:3 rw"), deny);
    assert_eq!(verdict("none", "c 10:229 rw"), allow);
    assert_eq!(check(&["--default-devices", "some", "c 1:3 r"]).code, Some(2));
}

#[test]
fn requests_of_a_file_come_behind_those_of_the_command() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, requests) = (dir.path().join("config.json"), dir.path().join("requests"));
    let (config, requests) = (config.to_str().expect("text"), requests.to_str().expect("text"));
    fs::write(config, CONFIG).expect("a file");
    let lines = "c 10:229 rw\n\n  b 8:0   r \nc 1:3 -";
    fs::write(requests, lines).expect("a file");
    let found = |run: Run| {
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
        let request = |line: &str| line.split_at(7).1.split_at(20).0.trim_end().to_owned();
        run.text().lines().map(request).collect::<Vec<_>>()
    };
    let all = ["c 1:5 r", "c 10:229 rw", "b 8:0 r", "c 1:3 -"];
    let of_file = devgate(&["check", "--config", config, "--requests", requests, "c 1:5 r"], "");
    assert_eq!(found(of_file), all);
    let of_stdin = devgate(&["check", "--config", config, "--requests", "-"], lines);
    assert_eq!(found(of_stdin), all[1..]);
    let of_nothing = devgate(&["check", "--config", config, "--requests", "-"], "");
    assert_eq!(found(of_nothing), [""; 0]);
}

#[test]
fn a_bad_request_of_a_file_is_named_by_its_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let requests = dir.path().join("requests");
    let requests = requests.to_str().expect("text");
    fs::write(requests, "c 1:3 r\n\nc 1:3 rx\n").expect("a file");
    let problem = r#"line 3: "c 1:3 rx": unknown access letter 'x' (expected letters of "rwm")"#;
    assert_eq!(check(&["--requests", requests]).failure(), format!("{requests}: {problem}"));
    let missing = check(&["--requests", "/no/such/file"]);
    assert_eq!(
        missing.failure(),
        "/no/such/file: can't be read: No such file or directory (os error 2)"
    );
    let both = check(&["--requests", "-"]);
    assert_eq!((both.code, both.text()), (Some(2), ""));
    assert_eq!(both.complaint(), "--config and --requests can't both be standard input");
}
