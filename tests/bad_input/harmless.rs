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
