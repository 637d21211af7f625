//! What changes come to, on a cgroup without an engine.

use std::thread;

use super::common::require;
use super::stage::{FUSE, Stage};

#[test]
fn a_device_is_granted_and_revoked() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    assert!(!stage.allows(FUSE));
    let before = stage.cgroup.ids();
    let told = stage.runs(&["grant", "C", "/dev/fuse", "--no-node"]);
    let ids = stage.cgroup.ids();
    assert_eq!(ids.len(), 1, "the link and the copy are one program");
    let expected = format!(
        "container container\n+ allow c 10:229 rw         /dev/fuse\nattached program {}",
        ids[0]
    );
    assert!(told.starts_with(&expected), "{told}");
    assert!(told.contains(&format!("detached program {}\n", before[0])), "{told}");
    assert!(told.contains("held by link /sys/fs/bpf/devgate/"), "{told}");
    assert!(stage.allows(FUSE) && stage.allows("c 1:11 r") && !stage.allows("c 1:11 w"));
    let told = stage.runs(&["revoke", "C", "c 10:229"]);
    assert!(told.starts_with("container container\n- allow c 10:229 rw"), "{told}");
    assert!(!stage.allows(FUSE) && stage.allows("c 1:11 r"));
    assert_eq!(stage.grants(), [""; 0]);
}

#[test]
fn access_and_several_devices() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    stage.runs(&["grant", "C", "/dev/fuse:r", "c 1:11:w", "b 7:0:rwm", "c 195:*", "--no-node"]);
    for (request, allowed) in [
        ("c 10:229 r", true),
        ("c 10:229 w", false),
        ("c 1:11 rw", true),
        ("b 7:0 rw", true),
        ("c 195:7 rw", true),
        ("c 196:7 r", false),
    ] {
        assert_eq!(stage.allows(request), allowed, "{request}");
    }
    stage.runs(&["revoke", "C", "c 195:7", "c 10:200:w", "b 7:0"]);
    assert!(stage.allows("c 195:8 r") && !stage.allows("c 195:7 r"));
    assert!(stage.allows("c 10:200 r") && !stage.allows("c 10:200 w") && !stage.allows("b 7:0 r"));
    stage.runs(&["grant", "C", "/dev/net/tun", "--no-node"]);
    assert!(stage.allows("c 10:200 rw"));
}

#[test]
fn a_dry_run_changes_nothing() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let before = stage.everything();
    let told = stage.runs(&["grant", "C", "/dev/fuse", "--dry-run"]);
    let expected = "dry run: nothing is changed\ncontainer container\n+ allow c 10:229 rw         \
                    /dev/fuse\n";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("instructions would be attached\n"), "{told}");
    assert!(told.ends_with("node /dev/fuse would be made, unless it is there\n"), "{told}");
    stage.runs(&["revoke", "C", "c 10:200", "--dry-run"]);
    assert_eq!(stage.everything(), before);
}

#[test]
fn a_whole_new_policy() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    stage.runs(&["grant", "C", "/dev/fuse", "--no-node"]);
    let rules = stage.runs(&["inspect", stage.cgroup.text(), "--rules"]);
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("rules.json");
    std::fs::write(&file, &rules).expect("a file");
    let file = file.to_str().expect("text");
    // What is shown is what is taken.
    stage.runs(&["update", "C", "--rules", file]);
    assert_eq!(stage.runs(&["inspect", stage.cgroup.text(), "--rules"]), rules);
    assert!(stage.grants().is_empty() && stage.allows(FUSE));
    let config = dir.path().join("config.json");
    let text = r#"{"linux":{"resources":{"devices":[{"allow":true,"access":"r"}]}}}"#;
    std::fs::write(&config, text).expect("a file");
    let config = config.to_str().expect("text");
    let told = stage.runs(&["update", "C", "--config", config, "--default-devices", "none"]);
    assert!(told.contains("+ allow a *:* r\n"), "{told}");
    assert!(stage.allows("b 8:0 r") && !stage.allows("c 1:3 w"));
    let wrong = dir.path().join("wrong.json");
    std::fs::write(&wrong, r#"[{"allow":true},{"allow":true,"type":"x"}]"#).expect("a file");
    let line = stage.fails(&["update", "C", "--rules", wrong.to_str().expect("text")]);
    assert!(line.contains("[1].type: \"x\" is not a type"), "{line}");
}

#[test]
fn every_change_is_told_later() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    assert_eq!(stage.runs(&["history", "C"]), "nothing was changed\n");
    assert_eq!(stage.runs(&["grants"]), "nothing was granted or revoked\n");
    stage.runs(&["grant", "C", "/dev/fuse:rw", "--no-node"]);
    stage.runs(&["revoke", "C", "/dev/net/tun"]);
    let grants = stage.runs(&["grants", "C"]);
    let lines: Vec<Vec<&str>> =
        grants.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..4], ["CONTAINER", "RULE", "DEVICE", "NODE"]);
    assert_eq!(lines[1][..6], ["container", "allow", "c", "10:229", "rw", "/dev/fuse"]);
    assert_eq!(lines[2][..6], ["container", "deny", "c", "10:200", "rw", "/dev/net/tun"]);
    let json: serde_json::Value =
        serde_json::from_str(&stage.runs(&["grants", "--json"])).expect("JSON");
    assert_eq!(json[0]["rule"], "allow c 10:229 rw");
    assert_eq!(json[1]["keep"], false);
    let history = stage.runs(&["history", "C"]);
    let changes: Vec<&str> = history.lines().skip(1).map(str::trim_end).collect();
    assert_eq!(changes.len(), 2, "{history}");
    assert!(changes[0].ends_with("grant   + allow c 10:229 rw"), "{history}");
    assert!(changes[1].ends_with("revoke  + deny c 10:200 rw"), "{history}");
    let json: serde_json::Value =
        serde_json::from_str(&stage.runs(&["history", "C", "--json"])).expect("JSON");
    assert_eq!(json["changes"][1]["after"]["rules"][0], "deny c 10:200 rw");
    assert_eq!(json["changes"][1]["same"], 4);
}

#[test]
fn all_of_several_at_once_win() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let devices: Vec<String> = (0..8).map(|minor| format!("c 200:{minor}")).collect();
    let start = |device: &String| {
        super::common::command::start(&mut super::common::command::command(&[
            "grant",
            &stage.id,
            device,
            "--no-node",
        ]))
    };
    let children: Vec<_> = devices.iter().map(start).collect();
    thread::scope(|scope| {
        for child in children {
            scope.spawn(|| super::common::command::finish(child, "").success().to_owned());
        }
    });
    assert_eq!(stage.grants().len(), 8);
    for device in devices {
        assert!(stage.allows(&format!("{device} rw")), "{device}");
    }
    assert_eq!(stage.record().history.changes().len(), 8);
}

/// Only what is denied by the record's program and by nobody else can be granted.
#[test]
fn with_any_mode_of_stale_the_old_program_of_devgate_gives_way() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let record = std::fs::read_to_string(stage.record_file()).expect("there is one");
    let beside = record.replace(r#""stale":"all""#, r#""stale":"none""#);
    std::fs::write(stage.record_file(), beside).expect("it can be written");
    stage.runs(&["grant", "C", "/dev/fuse", "--no-node"]);
    assert!(stage.allows(FUSE));
}
