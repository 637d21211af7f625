//! Override programs of the cgroups above: the kernel runs one only for cgroups without programs.

use std::os::fd::AsFd;

use devgate::kernel::{AttachFlags, Stale, query_effective};
use devgate::policy::Verdict;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate};
use super::common::enforce::{chain, try_put};
use super::common::opener::{Opener, serve_if_child};
use super::common::require;
use super::{MULTI, OVERRIDE, foreign, ids};

const RULES: &[&str] = &["allow a *:* rwm"];
const CONFIG: &str = r#"{"linux":{"resources":{"devices":[{"allow":true,"access":"rwm"}]}}}"#;
const CHILD_TEST: &str = "overridden::a_denied_device_stays_denied";

fn apply(cgroup: &TestCgroup, args: &[&str]) -> Run {
    devgate(&[&["apply", "--cgroup", cgroup.text(), "--config", "-"][..], args].concat(), CONFIG)
}

fn refusal(leaf: &TestCgroup, above: &TestCgroup, program: &Foreign) -> String {
    format!(
        "cgroup {}: program {} on {} is an override program: it is in force for cgroups without \
         programs only, and so not together with the new program; --override-ancestor replace \
         attaches the program nevertheless",
        leaf.text(),
        program.id,
        above.text()
    )
}

#[test]
fn a_denied_device_stays_denied() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let leaf = top.child();
    let null = "c 1:3 rw".parse().expect("a request");
    let mut container = Opener::within(&leaf, CHILD_TEST);
    container.make_node(&null);
    let program = Foreign::denying("somebody");
    program.attach(top.open().as_fd(), OVERRIDE);
    assert_eq!(container.verdict(&null), Verdict::Deny);
    let run = apply(&leaf, &[]);
    assert_eq!(run.failure(), refusal(&leaf, &top, &program));
    assert_eq!(leaf.ids(), []);
    assert_eq!(container.verdict(&null), Verdict::Deny);
    let run = apply(&leaf, &["--override-ancestor", "replace"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let expected = format!("warning: program {} on {} is an override", program.id, top.text());
    assert!(run.complaint().starts_with(&expected), "{run:?}");
    assert_eq!((leaf.ids().len(), leaf.flags()), (1, AttachFlags::MULTI));
    assert_eq!(container.verdict(&null), Verdict::Allow);
}

/// Only the nearest programs count: what lies above them is not in force anyway.
#[test]
fn only_one_that_is_in_force_counts() {
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let (middle, beside) = (top.child(), top.child());
    let leaf = middle.child();
    let above = foreign(&top, 1, OVERRIDE);
    let error = try_put(&leaf, RULES, Stale::All).expect_err("it is in force for the leaf");
    assert_eq!(chain(&error), refusal(&leaf, &top, &above[0]));
    let between = foreign(&middle, 1, MULTI);
    let put = try_put(&leaf, RULES, Stale::All).expect("it is not in force for the leaf");
    let effective = query_effective(leaf.open().as_fd()).expect("they can be listed");
    assert_eq!(effective, [vec![put.id], ids(&between)].concat());
    let error = try_put(&beside, RULES, Stale::All).expect_err("it is in force there");
    assert_eq!(chain(&error), refusal(&beside, &top, &above[0]));
}

#[test]
fn the_nearest_override_program_is_named() {
    if !require::bpf() {
        return;
    }
    let top = TestCgroup::new();
    let middle = top.child();
    let leaf = middle.child();
    let _multi = foreign(&top, 1, MULTI);
    let near = foreign(&middle, 1, OVERRIDE);
    let error = try_put(&leaf, RULES, Stale::None).expect_err("it is in force for the leaf");
    assert_eq!(chain(&error), refusal(&leaf, &middle, &near[0]));
}
