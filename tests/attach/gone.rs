//! What is not there any more.

use std::os::fd::AsFd;

use devgate::enforce::{EnforceOptions, enforce};
use devgate::kernel::{DirectAttach, Program, detach, load};

use super::common::bpf::{Foreign, any_with_tag};
use super::common::cgroup::TestCgroup;
use super::common::enforce::{chain, prepared};
use super::common::require;
use super::{EXCLUSIVE, MULTI, OVERRIDE, foreign, ids};

#[test]
fn a_cgroup_removed_after_it_was_opened_is_an_error() {
    if !require::bpf() {
        return;
    }
    let prepared = prepared(&["allow c 1:3 rw"]);
    let cgroup = TestCgroup::new();
    let open = cgroup.open();
    cgroup.remove().expect("it is empty");
    let error =
        enforce(&open, None, &prepared.verified, EnforceOptions::directly(DirectAttach::default()))
            .expect_err("it is gone");
    let text = chain(&error);
    let expected = format!("cgroup {} does not exist (any more)", cgroup.text());
    assert_eq!(text, expected);
}

#[test]
fn nothing_is_left_in_the_kernel_when_attaching_fails() {
    if !require::bpf() {
        return;
    }
    // Numbers that no other test has, so that the tag is this program's alone.
    let prepared = prepared(&["allow c 3001:70123 rw", "allow b 2999:70321 m"]);
    let loaded = load(&prepared.verified).expect("the kernel takes it");
    let tag = Program::by_id(loaded.id()).expect("it is there").tag;
    assert!(any_with_tag(tag));
    drop(loaded);
    let top = TestCgroup::new();
    let leaf = top.child();
    let _exclusive = foreign(&top, 1, 0);
    enforce(
        &leaf.open(),
        None,
        &prepared.verified,
        EnforceOptions::directly(DirectAttach::default()),
    )
    .expect_err("the kernel says EPERM");
    // The kernel frees programs a little later.
    for _ in 0..200 {
        if !any_with_tag(tag) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the program is still loaded");
}

#[test]
fn detaching_a_program_that_is_gone_is_success() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let id = Foreign::allowing("gone").id;
    assert!(matches!(detach(cgroup.open().as_fd(), id), Ok(false)));
}

#[test]
fn detaching_a_program_that_is_not_attached_is_success() {
    if !require::bpf() {
        return;
    }
    let (cgroup, other) = (TestCgroup::new(), TestCgroup::new());
    let program = &foreign(&other, 1, MULTI)[0];
    let id = program.id;
    assert!(matches!(detach(cgroup.open().as_fd(), id), Ok(false)));
    assert_eq!(other.ids(), [program.id]);
    assert!(matches!(detach(other.open().as_fd(), id), Ok(true)));
    assert!(matches!(detach(other.open().as_fd(), id), Ok(false)));
    assert_eq!(other.ids(), []);
}

/// The kernel takes an exclusive or override program off whichever program is named.
#[test]
fn detaching_a_program_that_is_not_attached_leaves_the_only_one() {
    if !require::bpf() {
        return;
    }
    for flags in [EXCLUSIVE, OVERRIDE] {
        let cgroup = TestCgroup::new();
        let only = foreign(&cgroup, 1, flags);
        let other = Foreign::allowing("other");
        assert!(matches!(detach(cgroup.open().as_fd(), other.id), Ok(false)));
        assert_eq!(cgroup.ids(), ids(&only));
        assert!(matches!(detach(cgroup.open().as_fd(), only[0].id), Ok(true)));
        assert_eq!(cgroup.ids(), []);
    }
}
