//! Programs that a bpf_link holds: nobody but its owner can detach them.

use std::os::fd::AsFd;

use devgate::kernel::{DetachError, Stale, detach};

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::enforce::put;
use super::common::require;
use super::{MULTI, foreign};

const RULES: &[&str] = &["allow c 1:3 rw"];
const HELD: &str = "is held by a bpf_link";

#[test]
fn alone_it_stays_and_is_told() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let held = Foreign::allowing("held");
    let _link = held.link(cgroup.open().as_fd());
    let put = put(&cgroup, RULES, Stale::All);
    assert_eq!(put.detached, []);
    assert_eq!(put.left, [(held.id, HELD.to_owned())]);
    assert_eq!(cgroup.ids(), [held.id, put.id]);
}

#[test]
fn among_others_it_alone_stays() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let first = foreign(&cgroup, 1, MULTI);
    let held = Foreign::allowing("held");
    let _link = held.link(cgroup.open().as_fd());
    let last = foreign(&cgroup, 1, MULTI);
    let put = put(&cgroup, RULES, Stale::All);
    let mut detached = put.detached;
    detached.sort_unstable();
    assert_eq!(detached, [first[0].id, last[0].id]);
    assert_eq!(put.left, [(held.id, HELD.to_owned())]);
    let mut attached = cgroup.ids();
    attached.sort_unstable();
    assert_eq!(attached, [held.id, put.id]);
}

#[test]
fn without_its_link_it_is_gone() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let held = Foreign::allowing("held");
    let link = held.link(cgroup.open().as_fd());
    let first = put(&cgroup, RULES, Stale::All);
    drop(link);
    let second = put(&cgroup, RULES, Stale::All);
    assert_eq!(second.detached, [first.id]);
    assert_eq!(second.left, []);
    assert_eq!(cgroup.ids(), [second.id]);
}

#[test]
fn detaching_it_by_id_is_an_error_that_says_so() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let held = Foreign::allowing("held");
    let _link = held.link(cgroup.open().as_fd());
    let error = detach(cgroup.open().as_fd(), held.id).expect_err("it stays");
    assert!(matches!(error, DetachError::Link { id } if id == held.id), "{error}");
    assert_eq!(cgroup.ids(), [held.id]);
}
