//! Programs that run after ours and may set the return value.

use std::os::fd::AsFd;

use super::MULTI;
use super::common::assembly::assemble;
use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate};
use super::common::require;
use super::common::sleeper::Sleeper;

const TAKE_BACK: &str = "r1 = 0; call 187; r0 = 1; exit";
const CONFIG: &str = r#"{"linux":{"resources":{"devices":[]}}}"#;

fn apply(cgroup: &TestCgroup, args: &[&str]) -> Run {
    devgate(&[&["apply", "--cgroup", cgroup.text(), "--config", "-"][..], args].concat(), CONFIG)
}

fn message(cgroup: &TestCgroup, holder: &TestCgroup, program: &Foreign) -> String {
    format!(
        "cgroup {}: program {} on {} runs after devgate's and may set the return value, so it could \
         allow what is denied (instruction 1 calls bpf_set_retval); detach it, or accept it with \
         --retval-programs allow",
        cgroup.text(),
        program.id,
        holder.text()
    )
}

#[test]
fn one_on_the_parent_is_an_error_that_names_it_and_nothing_changes() {
    if !require::bpf() {
        return;
    }
    let parent = TestCgroup::new();
    let child = parent.child();
    let before = Foreign::denying("before");
    before.attach(child.open().as_fd(), MULTI);
    let program = Foreign::with("takes_back", assemble(TAKE_BACK).insns());
    program.attach(parent.open().as_fd(), MULTI);
    let expected = message(&child, &parent, &program);
    assert_eq!(apply(&child, &[]).failure(), expected);
    assert_eq!((child.ids(), parent.ids()), (vec![before.id], vec![program.id]));
    let sleeper = Sleeper::within(&child);
    let state = format!(r#"{{"id":"c1","pid":{},"bundle":"/b"}}{CONFIG}"#, sleeper.pid());
    assert_eq!(devgate(&["hook"], &state).failure(), expected);
    assert_eq!(child.ids(), [before.id]);
    devgate(&["hook", "--retval-programs", "allow"], &state).success();
    assert!(!child.ids().contains(&before.id));
    // The hook has recorded the container, and `apply` says so.
    let applied = apply(&child, &["--retval-programs", "allow"]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert!(applied.complaint().starts_with("warning: the record of container c1 "), "{applied:?}");
}

#[test]
fn one_that_a_link_holds_is_an_error_and_what_was_there_is_there_again() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let before = Foreign::denying("before");
    before.attach(cgroup.open().as_fd(), MULTI);
    let program = Foreign::with("takes_back", assemble(TAKE_BACK).insns());
    let _link = program.link(cgroup.open().as_fd());
    // In place of `before`, ours runs before the one that the link holds.
    assert_eq!(apply(&cgroup, &[]).failure(), message(&cgroup, &cgroup, &program));
    let mut ids = cgroup.ids();
    ids.sort_unstable();
    assert_eq!(ids, [before.id, program.id]);
}

#[test]
fn one_that_runs_before_ours_is_no_matter() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let program = Foreign::with("takes_back", assemble(TAKE_BACK).insns());
    program.attach(cgroup.open().as_fd(), MULTI);
    apply(&cgroup, &["--stale", "none"]).success();
    assert_eq!(cgroup.ids().len(), 2);
}

#[test]
fn a_harmless_helper_is_no_matter() {
    if !require::bpf() {
        return;
    }
    let parent = TestCgroup::new();
    let child = parent.child();
    let program = Foreign::with("counts", assemble("call 15; r0 = 1; exit").insns());
    program.attach(parent.open().as_fd(), MULTI);
    apply(&child, &[]).success();
    assert_eq!(child.ids().len(), 1);
}

/// What a call is can be told without /proc/kallsyms, which takes 50 ms to read.
#[test]
fn calls_are_told_without_the_kernels_symbols() {
    if !require::bpf() {
        return;
    }
    let (none, bind) = (None::<&str>, nix::mount::MsFlags::MS_BIND);
    // In a mount namespace of the test's own.
    nix::mount::mount(Some("/dev/null"), "/proc/kallsyms", none, bind, none).expect("a mount");
    for (body, takes_back) in [("call 15; r0 = 1; exit", false), (TAKE_BACK, true)] {
        let parent = TestCgroup::new();
        let child = parent.child();
        let program = Foreign::with("later", assemble(body).insns());
        program.attach(parent.open().as_fd(), MULTI);
        let applied = apply(&child, &[]);
        match takes_back {
            false => assert_eq!(applied.code, Some(0), "{applied:?}"),
            true => assert_eq!(applied.failure(), message(&child, &parent, &program)),
        }
    }
}
