//! What is odd and no mistake: nothing to say about devices, and nonsense elsewhere.

use super::common::command::devgate;

const STATE: &str = r#"{"id":"c1","pid":1,"bundle":"/no/bundle"}"#;

/// What both `check` and the hook make of a config, with nothing on standard error.
fn outcome(config: &str) -> (String, String) {
    let requests = ["check", "--config", "-", "c 1:3 rw", "c 5:1 r", "b 8:0 m", "b 8:0 r"];
    let check = devgate(&requests, config);
    assert_eq!((check.code, check.stderr.as_str()), (Some(3), ""), "{config}: {check:?}");
    let dry_run = devgate(&["hook", "--dry-run"], format!("{STATE}{config}"));
    (check.text().to_owned(), dry_run.success().to_owned())
}

#[test]
fn without_rules_there_are_the_defaults() {
    let (check, dry_run) = outcome("{}");
    let verdicts: Vec<&str> = check.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(verdicts, ["allow", "deny", "allow", "deny"]);
    assert_eq!(dry_run.matches("base default").count(), 11, "{dry_run}");
    assert!(!dry_run.contains("devices["), "{dry_run}");
    for config in [
        r#"{"linux":null}"#,
        r#"{"linux":{}}"#,
        r#"{"linux":{"resources":null}}"#,
        r#"{"linux":{"resources":{}}}"#,
        r#"{"linux":{"resources":{"devices":null}}}"#,
        r#"{"linux":{"resources":{"devices":[]}}}"#,
        "\n\n { \"linux\" : { } } \n",
    ] {
        assert_eq!(outcome(config), (check.clone(), dry_run.clone()), "{config}");
    }
}

#[test]
fn other_fields_never_matter() {
    let plain = outcome(r#"{"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"}]}}}"#);
    let nested = format!(
        r#"{{"a":{}{},"linux":{{"resources":{{"devices":[{{"allow":false,"access":"rwm"}}]}}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let nonsense = r#"{
        "ociVersion": [1, {}], "ociVersion": null, "process": "x", "root": 1e308, "hooks": false,
        "mounts": {"mounts": "mounts"}, "devices": [{"allow": 7}], "resources": 7, "": {"": []},
        "half a surrogate pair": "\ud800", "big": 123456789012345678901234567890,
        "linux": {
            "namespaces": 7, "devices": "no array", "Resource": [], "cgroupsPath": {},
            "resources": {
                "memory": [], "cpu": "all", "device": null, "network": {"devices": 1},
                "devices": [{"allow": false, "access": "rwm"}],
                "unified": 7, "unified": 8
            },
            "seccomp": [[[[[[]]]]]]
        }
    }"#;
    for config in [nested.as_str(), nonsense] {
        assert_eq!(outcome(config), plain, "{config:.200}");
    }
}

#[test]
fn keys_that_rules_do_not_have_are_worth_a_warning() {
    let rule =
        r#"{"allow":true,"type":"c","major":1,"minor":3,"minors":7,"x\ny":[{}],"access":"r"}"#;
    let config = format!(r#"{{"linux":{{"resources":{{"devices":[{rule}]}}}}}}"#);
    let args = ["check", "--config", "-", "--default-devices", "none", "c 1:3 r"];
    let run = devgate(&args, &config);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(
        run.stderr,
        "devgate: warning: linux.resources.devices[0].minors: unknown key, passed over\n\
         devgate: warning: linux.resources.devices[0].x\\ny: unknown key, passed over\n"
    );
    assert_eq!(run.text().lines().count(), 1, "{run:?}");
}

#[test]
fn rules_that_can_do_nothing_are_worth_a_warning() {
    let config = r#"{"linux":{"resources":{"devices":[
        {"allow":true,"type":"c","major":1,"minor":3},
        {"allow":true,"type":"c","major":1,"minor":3,"access":""},
        {"allow":true,"type":"c","major":4096,"minor":0,"access":"r"},
        {"allow":false,"type":"c","major":0,"minor":1048576},
        {"allow":true,"type":"c","major":4095,"minor":1048575,"access":"r"}
    ]}}}"#;
    let run = devgate(&["check", "--config", "-", "c 4095:1048575 r"], config);
    assert_eq!(run.code, Some(0), "{run:?}");
    let beyond = "is beyond every Linux device number";
    let warnings = [
        "[0]: allows no access, so it does nothing".to_owned(),
        "[1]: allows no access, so it does nothing".to_owned(),
        format!("[2].major: 4096 {beyond} (0..=4095), so the rule never matches"),
        format!("[3].minor: 1048576 {beyond} (0..=1048575), so the rule never matches"),
    ];
    let warnings =
        warnings.map(|text| format!("devgate: warning: linux.resources.devices{text}\n"));
    assert_eq!(run.stderr, warnings.concat());
}

#[test]
fn states_of_runc_and_crun_alike() {
    for state in [
        r#"{"ociVersion":"1.2.0","id":"c1","status":"creating","pid":1,"bundle":"/b"}"#,
        r#"{"ociVersion":"1.0","id":"c1","pid":1,"root":"\/r","bundle":"\/b","status":"created"}"#,
        r#"{"id":"c1","pid":1,"bundle":"/b","annotations":null,"status":["?"],"ociVersion":7}"#,
        r#"{"id":"c1","pid":1}"#,
    ] {
        devgate(&["hook", "--dry-run"], format!("{state} {{}}")).success();
    }
}

/// A config whose rules are all beyond what there is, and what a warning about one of them says.
fn beyond(count: usize) -> (String, impl Fn(usize) -> String) {
    let rules = vec![r#"{"allow":false,"major":4096}"#; count].join(",");
    let config = format!(r#"{{"linux":{{"resources":{{"devices":[{rules}]}}}}}}"#);
    let warning = |index| {
        format!(
            "linux.resources.devices[{index}].major: 4096 is beyond every Linux device number \
             (0..=4095), so the rule never matches"
        )
    };
    (config, warning)
}

#[test]
fn after_twenty_warnings_the_others_are_counted() {
    for (count, more) in [(20, None), (21, Some("and 1 more")), (370, Some("and 350 more"))] {
        let (config, warning) = beyond(count);
        let warnings: Vec<String> = (0..20).map(warning).chain(more.map(str::to_owned)).collect();
        let told: String =
            warnings.iter().map(|warning| format!("devgate: warning: {warning}\n")).collect();
        let run = devgate(&["check", "--config", "-", "c 1:3 rw"], &config);
        assert_eq!((run.code, run.stderr), (Some(0), told.clone()), "{count}");

        let folder = tempfile::tempdir().expect("a folder");
        for format in ["text", "json"] {
            let log = folder.path().join(format!("{count}.{format}"));
            let log_path = log.to_str().expect("text");
            // Without a process it fails, and logs that.
            let state = r#"{"id":"c1"}"#.to_owned();
            let run =
                devgate(&["hook", "--log", log_path, "--log-format", format], state + &config);
            assert!(run.code == Some(1) && run.stderr.starts_with(&told), "{count}: {run:?}");
            let line = std::fs::read_to_string(&log).expect("it is logged");
            let logged: Vec<String> = match format {
                "json" => {
                    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                    serde_json::from_value(line["warnings"].clone()).expect("an array of texts")
                }
                _ => {
                    let parts = line.split("warning=\"").skip(1);
                    parts
                        .map(|part| part.split('"').next().unwrap_or_default().to_owned())
                        .collect()
                }
            };
            assert_eq!(logged, warnings, "{count}, {format}");
        }
    }
}

#[test]
fn a_long_value_is_quoted_in_part() {
    let long = "x".repeat(1 << 20);
    let config = format!(r#"{{"linux":{{"resources":{{"devices":[{{"type":"{long}"}}]}}}}}}"#);
    let run = devgate(&["check", "--config", "-", "c 1:3 rw"], &config);
    let complaint = run.failure();
    assert!(complaint.len() < 600, "{} bytes", complaint.len());
    assert!(complaint.ends_with(r#"(expected "a", "b" or "c")"#), "{complaint}");
}
