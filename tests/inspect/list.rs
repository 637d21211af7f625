//! `devgate ls`.

use std::fs;
use std::os::fd::AsFd;
use std::process::Command;

use devgate::kernel::{OpenLink, Stale, load};
use serde_json::{Value, json};

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{devgate, run};
use super::common::enforce::{prepared, put};
use super::common::engine::ready;
use super::common::require;

const MULTI: u32 = 2;

fn listed(cgroup: &TestCgroup) -> Vec<Value> {
    let run = devgate(&["ls", "--json", "--cgroup", cgroup.text()], "");
    serde_json::from_str(run.success()).expect("an array")
}

#[test]
fn every_cgroup_with_a_program_and_what_is_odd_about_it() {
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let (all, below, nothing) = (top.child(), top.child(), top.child());
    let leaf = below.child();
    put(&all, &["allow a *:* rwm"], Stale::All);
    put(&leaf, &["allow c 1:3 rwm", "deny c 1:3 w"], Stale::All);
    put(&below, &["allow c 1:3 rm"], Stale::All);
    Foreign::allowing("one").attach(nothing.open().as_fd(), MULTI);
    Foreign::denying("two").attach(nothing.open().as_fd(), MULTI);
    let listed = listed(&top);
    let row = |cgroup: &TestCgroup| {
        let row = listed.iter().find(|row| row["cgroup"] == cgroup.text());
        let row = row.expect("it is listed");
        (row["summary"].clone(), row["marks"].clone())
    };
    assert_eq!(listed.len(), 4);
    assert_eq!(row(&all), (json!("all"), json!([])));
    assert_eq!(row(&below), (json!("1 rule"), json!([])));
    assert_eq!(row(&leaf), (json!("1 rule"), json!(["same as above"])));
    assert_eq!(row(&nothing), (json!("deny all"), json!(["several programs", "allows nothing"])));
}

#[test]
fn the_kernels_limit_is_seen_coming() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    for _ in 0..60 {
        Foreign::allowing("leftover").attach(cgroup.open().as_fd(), MULTI);
    }
    let listed = listed(&cgroup);
    assert_eq!(listed[0]["marks"], json!(["several programs", "near the limit of 64"]));
    let run = devgate(&["ls", "--cgroup", cgroup.text()], "");
    assert!(run.success().contains("leftover and 59 more"), "{}", run.text());
}

#[test]
fn containers_are_told_by_their_names() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let id = "0123456789abcdef".repeat(4);
    let scope = cgroup.path().join(format!("docker-{id}.scope"));
    fs::create_dir(&scope).expect("a cgroup can be made");
    let dir = fs::File::open(&scope).expect("it can be opened");
    Foreign::allowing("x").attach(dir.as_fd(), MULTI);
    let (listed, run) = (listed(&cgroup), devgate(&["ls", "--cgroup", cgroup.text()], ""));
    fs::remove_dir(&scope).expect("the cgroup can be removed");
    assert_eq!(listed[0]["container"], id);
    assert!(run.success().contains(" 0123456789ab "), "{}", run.text());
}

#[test]
fn the_default_is_called_that() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let run = devgate(&["apply", "--cgroup", cgroup.text(), "--config", "-"], "{}");
    run.success();
    assert_eq!(listed(&cgroup)[0]["summary"], "default");
}

/// The kernel says EAGAIN of a link that is being made, by whomever: seen when systemd booted.
#[test]
fn a_link_that_is_being_made_is_not_listed_yet() {
    if !(require::bpf() && ready("strace")) {
        return;
    }
    let cgroup = TestCgroup::new();
    let program = load(&prepared(&["allow a *:* rwm"]).verified).expect("it can be loaded");
    let link = OpenLink::create(cgroup.open().as_fd(), &program).expect("a link can be made");
    // The first call asks for an id, and the second opens that link: as often as it is tried.
    let mut traced = Command::new("strace");
    traced.args(["-o", "/dev/null", "-e", "trace=bpf", "-e", "inject=bpf:error=EAGAIN:when=2..11"]);
    traced.args([env!("CARGO_BIN_EXE_devgate"), "ls", "--cgroup", cgroup.text()]);
    let listed = run(&mut traced, "");
    assert!(listed.success().contains("devgate"), "{listed:?}");
    drop(link);
}
