//! Programs of the cgroups above are never touched.

use std::os::fd::AsFd;

use devgate::kernel::{AttachFlags, Stale};

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::enforce::{chain, put, try_put};
use super::common::{command, require};
use super::{EXCLUSIVE, MULTI, OVERRIDE, foreign, ids};

const RULES: &[&str] = &["allow c 1:3 rw"];

#[test]
fn an_exclusive_one_is_an_error_that_names_it() {
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let middle = top.child();
    let leaf = middle.child();
    let program = Foreign::allowing("somebody");
    program.attach(top.open().as_fd(), EXCLUSIVE);
    let error = try_put(&leaf, RULES, Stale::All).expect_err("the kernel says EPERM");
    let expected = format!(
        "cgroup {}: program {} on {} is exclusive and lets no cgroup below it have one",
        leaf.text(),
        program.id,
        top.text()
    );
    assert_eq!(chain(&error), expected);
    let config = r#"{"linux":{"resources":{"devices":[]}}}"#;
    let run = command::devgate(&["apply", "--cgroup", leaf.text(), "--config", "-"], config);
    assert_eq!(run.failure(), expected);
    assert_eq!((top.ids(), middle.ids(), leaf.ids()), (vec![program.id], vec![], vec![]));
    assert_eq!(top.flags(), AttachFlags::EXCLUSIVE);
}

#[test]
fn an_exclusive_one_leaves_what_the_cgroup_had() {
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let leaf = top.child();
    let before = foreign(&leaf, 3, MULTI);
    let program = Foreign::allowing("somebody");
    program.attach(top.open().as_fd(), EXCLUSIVE);
    let outcome = try_put(&leaf, RULES, Stale::All);
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(top.ids(), [program.id]);
    assert_eq!(leaf.ids(), ids(&before));
}

#[test]
fn others_are_left_alone() {
    if !require::bpf() {
        return;
    }
    // With a program of its own, the cgroup is none that an override program is in force for.
    for (flags, as_flags) in [(MULTI, AttachFlags::MULTI), (OVERRIDE, AttachFlags::OVERRIDE)] {
        let top = TestCgroup::new();
        let leaf = top.child();
        let above = foreign(&top, 1, flags);
        let stale = foreign(&leaf, 1, MULTI);
        let put = put(&leaf, RULES, Stale::All);
        assert_eq!(put.detached, ids(&stale));
        assert_eq!(leaf.ids(), [put.id]);
        assert_eq!((top.ids(), top.flags()), (ids(&above), as_flags));
    }
}
