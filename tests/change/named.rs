//! How a container is named.

use std::fs;

use super::common::cgroup::TestCgroup;
use super::common::require;
use super::common::sleeper::Sleeper;
use super::stage::Stage;

const ID: &str = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";
const OTHER: &str = "630b76a2f65f0000b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";

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

/// crun puts the container in a cgroup below the unit that systemd made for it.
#[test]
fn by_the_unit_above_its_cgroup() {
    if !require::bpf() {
        return;
    }
    let above = TestCgroup::new();
    let scope = above.path().join(format!("libpod-{ID}.scope"));
    let leaf = scope.join("container");
    fs::create_dir_all(&leaf).expect("cgroups can be made");
    let stage = Stage::in_cgroup(TestCgroup::at(leaf.clone()), ID);
    let scope_text = scope.to_str().expect("text");
    for name in [scope_text, leaf.to_str().expect("text")] {
        assert_eq!(stage.runs(&["history", name]), "nothing was changed\n", "{name}");
    }
    drop(stage);
    fs::remove_dir(&scope).expect("it is empty");
}
