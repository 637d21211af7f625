//! What `record show` and `record diff` say, to the letter.

use std::fs;

use serde_json::{Value, json};

use crate::common::command::devgate;
use crate::common::opener::serve_if_child;
use crate::common::require;
use crate::stage::{Container, Place};

/// A recording `web` of requests that were allowed and denied.
fn record(test: &str) {
    let mut container = Container::new("c1", Place::Below, test);
    container.hook(&["--record=web"], &json!({})).success();
    container.ask();
}

fn rules(args: &[&str]) -> Vec<Value> {
    let run = devgate(&[&["record", "show", "web"], args].concat(), "");
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(run.text()).expect("JSON")
}

#[test]
fn the_rules_are_those_of_a_config() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    record("show::the_rules_are_those_of_a_config");
    let plain = rules(&["--no-comments"]);
    let rule = |major: u32, minor: u32, access: &str| json!({"allow": true, "type": "c", "major": major, "minor": minor, "access": access});
    let expected =
        [rule(1, 3, "rw"), rule(1, 5, "r"), rule(1, 7, "r"), rule(10, 229, "w"), rule(600, 1, "m")];
    assert_eq!(plain, expected);
    let commented = rules(&[]);
    assert!(
        commented[0]["comment"].as_str().expect("text").starts_with("/dev/null; 1 request; by ")
    );
    let with_denied = rules(&["--with-denied"]);
    assert_eq!(with_denied.len(), 7);
    let comment = with_denied[2]["comment"].as_str().expect("text");
    assert!(comment.contains("1 request; 1 request DENIED (w); by "), "{comment}");
    let run = devgate(&["record", "show", "web"], "");
    assert_eq!(run.complaint(), "3 denied requests have no rule (--with-denied)");

    // They are taken as a config's, without a warning.
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("config.json");
    let text = json!({"linux": {"resources": {"devices": commented}}}).to_string();
    fs::write(&config, text).expect("a file");
    let config = config.to_str().expect("text");
    let check = ["check", "--config", config, "--default-devices", "none"];
    devgate(&[&check[..], &["c 1:3 rw", "c 600:1 m"]].concat(), "").success();
    let same = devgate(&["record", "diff", "web", config, "--default-devices", "none"], "");
    assert_eq!(same.code, Some(3), "what was denied is denied: {same:?}");
    assert!(same.text().starts_with("asked for and denied:\n"), "{same:?}");
}

#[test]
fn a_comparison_names_rules_and_requests() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    record("show::a_comparison_names_rules_and_requests");
    let config = r#"{"linux":{"resources":{"devices":[
        {"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":10,"minor":229,"access":"rw"},
        {"allow":true,"type":"c","major":10,"minor":228,"access":"r"},
        {"allow":false,"type":"c","major":1,"minor":5,"access":"rwm"}]}}}"#;
    let run = devgate(&["record", "diff", "web", "-"], config);
    assert_eq!((run.code, run.stderr.as_str()), (Some(3), ""));
    for line in [
        "  allow c *:* m                base default, but for c 600:1 m",
        "  allow c 10:229 r             devices[1], /dev/fuse",
    ] {
        assert!(run.text().lines().any(|found| found == line), "{line}: {run:?}");
    }
    let starts = [
        "  allow c 10:228 r             devices[2]",
        "  c 1:5 r                /dev/zero, 1 request by ",
        "  c 1:11 r               /dev/kmsg, 1 request by ",
    ];
    for start in starts {
        assert!(run.text().lines().any(|found| found.starts_with(start)), "{start}: {run:?}");
    }
    assert!(run.text().contains("when recorded: allowed; devices[3]: deny c 1:5 rwm\n"), "{run:?}");
    let json = devgate(&["record", "diff", "web", "-", "--json"], config);
    let json: Value = serde_json::from_str(json.text()).expect("JSON");
    assert_eq!(json["denied"].as_array().map(Vec::len), Some(3), "{json}");
    let zero = &json["denied"][0];
    let of = |key: &str| zero[key].clone();
    assert_eq!(
        [of("type"), of("major"), of("access"), of("recorded")],
        ["c".into(), 1.into(), "r".into(), Value::from("allow")],
        "{json}"
    );
    let none = devgate(&["record", "diff", "web", "-", "--default-devices", "none"], config);
    assert!(!none.text().contains("base default"), "{none:?}");
}
