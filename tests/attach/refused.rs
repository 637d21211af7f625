//! Cgroups that devgate does not touch: the root, its own, and those above that.
//!
//! The policy allows everything, so that a refusal that fails to come does no harm.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use devgate::cgroup::Cgroup;

use super::common::cgroup::{TestCgroup, own};
use super::common::command::{self, Run, devgate};
use super::common::require;
use super::common::sleeper::Sleeper;

const ALLOW_ALL: &str = r#"{"linux":{"resources":{"devices":[{"allow":true,"access":"rwm"}]}}}"#;

fn root() -> PathBuf {
    let mut cgroup = Cgroup::open(&own().expect("cgroup2")).expect("the test's own cgroup");
    while let Some(parent) = cgroup.parent().expect("it can be opened") {
        cgroup = parent;
    }
    cgroup.path().to_owned()
}

fn root_refusal(path: &Path) -> String {
    format!(
        "refusing the root cgroup ({}): a program there would cut the host's own devices; the \
         container has no cgroup2 cgroup of its own",
        path.display()
    )
}

fn own_refusal(path: &Path) -> String {
    format!(
        "refusing {}: it is the cgroup of this devgate or above it, so it is not the container's \
         own (podman --cgroups=disabled does that)",
        path.display()
    )
}

/// devgate as a process of the cgroup.
fn within(cgroup: &TestCgroup, args: &[&str], input: &str) -> Run {
    let procs = cgroup.path().join("cgroup.procs");
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(r#"echo $$ > "$0" && exec "$@""#)
        .arg(procs)
        .arg(env!("CARGO_BIN_EXE_devgate"))
        .args(args)
        .arg0("sh");
    command::run(&mut shell, input)
}

fn apply(cgroup: &Path) -> [&str; 5] {
    ["apply", "--cgroup", cgroup.to_str().expect("a path of text"), "--config", "-"]
}

fn state(pid: u32) -> String {
    format!(r#"{{"ociVersion":"1.2.0","id":"c1","status":"creating","pid":{pid},"bundle":"/b"}}"#)
}

#[test]
fn the_root_cgroup_by_path() {
    if !require::bpf() {
        return;
    }
    let root = root();
    assert_eq!(devgate(&apply(&root), ALLOW_ALL).failure(), root_refusal(&root));
    let cgroup = TestCgroup::new();
    let run = within(&cgroup, &apply(&root), ALLOW_ALL);
    assert_eq!(run.failure(), root_refusal(&root));
}

#[test]
fn the_cgroup_of_a_container_that_shares_ours() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let run = within(&cgroup, &["hook"], &(state(container.pid()) + ALLOW_ALL));
    assert_eq!(run.failure(), own_refusal(cgroup.path()));
    assert_eq!(cgroup.ids(), []);
}

#[test]
fn its_own_and_those_above() {
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let middle = top.child();
    let leaf = middle.child();
    for cgroup in [&leaf, &middle, &top] {
        let run = within(&leaf, &apply(cgroup.path()), ALLOW_ALL);
        assert_eq!(run.failure(), own_refusal(cgroup.path()));
        assert_eq!(cgroup.ids(), []);
    }
}

#[test]
fn but_not_those_beside_or_below() {
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let (own, beside) = (top.child(), top.child());
    let below = own.child();
    for cgroup in [&beside, &below] {
        within(&own, &apply(cgroup.path()), ALLOW_ALL).success();
        assert_eq!(cgroup.ids().len(), 1);
    }
}
