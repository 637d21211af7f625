//! How a container is named.

use std::fs;

use super::common::cgroup::TestCgroup;
use super::common::require;
use super::common::sleeper::Sleeper;
use super::stage::Stage;

const ID: &str = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";
const OTHER: &str = "630b76a2f65f0000b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";
const UNIT: &str = "5b0b76a2f65f0000b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";
const SIXTH: &str = "6666666666666666666600000000000000000000000000000000000000000006";
const SEVENTH: &str = "6666666666666666666677777777777777777777777777777777777777777777";

#[test]
fn by_all_that_inspect_takes() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::in_cgroup(TestCgroup::new(), ID);
    let below = stage.cgroup.child();
    let inside = Sleeper::within(&below);
    let (pid, inner) = (stage.pid().to_string(), inside.pid().to_string());
    for name in [ID, &ID[..12], &ID[..4], &pid, &inner, stage.cgroup.text(), below.text()] {
        let told = stage.runs(&["revoke", name, "c 1:11", "--dry-run"]);
        assert!(told.contains(&format!("container {ID}\n")), "{name}: {told}");
    }
}

#[test]
fn an_ambiguous_beginning_names_the_containers() {
    if !require::bpf() {
        return;
    }
    let mut first = Stage::in_cgroup(TestCgroup::new(), ID);
    let second = Stage::in_cgroup(TestCgroup::new(), OTHER);
    let line = second.fails(&["history", "630b"]);
    assert!(line.starts_with("several containers' ids begin with \"630b\": "), "{line}");
    assert!(line.contains(ID) && line.contains(OTHER), "{line}");
    // One that has ended does not count.
    first.end();
    first.cgroup.remove().expect("it is empty");
    assert_eq!(second.runs(&["history", "630b"]), "nothing was changed\n");
}

/// It may be the other that is meant.
#[test]
fn a_container_without_a_record_makes_a_beginning_ambiguous_too() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::in_cgroup(TestCgroup::new(), SIXTH);
    let above = TestCgroup::new();
    let bare = above.path().join(format!("libpod-{SEVENTH}.scope"));
    fs::create_dir(&bare).expect("a cgroup can be made");
    let bare = TestCgroup::at(bare);
    for name in ["6666666666", &SIXTH[..20]] {
        for command in ["grant", "revoke"] {
            let line = stage.fails(&[command, name, "c 10:229", "--no-node"]);
            assert!(line.starts_with("several containers' ids begin with"), "{line}");
            assert!(line.contains(SIXTH) && line.contains(SEVENTH), "{line}");
        }
    }
    for name in [SIXTH, &SIXTH[..30]] {
        assert_eq!(stage.runs(&["history", name]), "nothing was changed\n", "{name}");
    }
    drop(bare);
}

#[test]
fn an_empty_name_is_nobodys() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    stage.runs(&["grant", "C", "c 10:237", "--no-node", "--keep"]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&file, r#"[{"allow":false,"access":"rwm"}]"#).expect("it can be written");
    let rules = file.path().to_str().expect("text");
    for args in [
        &["grant", "", "/dev/fuse", "--no-node"][..],
        &["revoke", "", "c 10:237"],
        &["update", "", "--rules", rules],
        &["history", ""],
        &["grants", ""],
        &["forget", ""],
        &["inspect", ""],
        &["inspect", "--container", ""],
    ] {
        let line = stage.fails(args);
        assert!(line.contains("the container's id is empty"), "{args:?}: {line}");
    }
}

/// crun puts the container in a cgroup below the unit that systemd made for it.
#[test]
fn by_the_unit_above_its_cgroup() {
    if !require::bpf() {
        return;
    }
    let above = TestCgroup::new();
    let scope = above.path().join(format!("libpod-{UNIT}.scope"));
    let leaf = scope.join("container");
    fs::create_dir_all(&leaf).expect("cgroups can be made");
    let stage = Stage::in_cgroup(TestCgroup::at(leaf.clone()), UNIT);
    let scope_text = scope.to_str().expect("text");
    for name in [scope_text, leaf.to_str().expect("text")] {
        assert_eq!(stage.runs(&["history", name]), "nothing was changed\n", "{name}");
    }
    drop(stage);
    fs::remove_dir(&scope).expect("it is empty");
}
