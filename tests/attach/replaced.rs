//! Which programs give way.

use std::os::fd::AsFd;

use devgate::kernel::{AttachFlags, Stale};

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::enforce::{chain, put, try_put};
use super::common::require;
use super::{EXCLUSIVE, MOST, MULTI, OVERRIDE, foreign, ids};

const RULES: &[&str] = &["allow c 1:3 rw"];

fn exactly_ours_is_left(stale_programs: usize) {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let stale = foreign(&cgroup, stale_programs, MULTI);
    let put = put(&cgroup, RULES, Stale::All);
    let (mut detached, mut before) = (put.detached, ids(&stale));
    detached.sort_unstable();
    before.sort_unstable();
    assert_eq!(detached, before);
    assert_eq!(put.left, []);
    assert_eq!(cgroup.ids(), [put.id]);
    assert_eq!(cgroup.flags(), AttachFlags::MULTI);
}

#[test]
fn nothing_before() {
    exactly_ours_is_left(0);
}

#[test]
fn one_stale_program() {
    exactly_ours_is_left(1);
}

#[test]
fn three_stale_programs() {
    exactly_ours_is_left(3);
}

#[test]
fn as_many_stale_programs_as_the_kernel_takes() {
    exactly_ours_is_left(MOST);
}

#[test]
fn our_own_program_of_before() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let first = put(&cgroup, RULES, Stale::All);
    let second = put(&cgroup, RULES, Stale::All);
    assert_eq!(second.detached, [first.id]);
    assert_eq!(cgroup.ids(), [second.id]);
}

#[test]
fn of_stale_own_only_ours() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let before = foreign(&cgroup, 1, MULTI);
    let own = Foreign::allowing("devgate_before");
    own.attach(cgroup.open().as_fd(), MULTI);
    let behind = foreign(&cgroup, 1, MULTI);
    let put = put(&cgroup, RULES, Stale::Own);
    assert_eq!(put.detached, [own.id]);
    assert_eq!(put.left, []);
    assert_eq!(cgroup.ids(), [before[0].id, put.id, behind[0].id]);
}

#[test]
fn of_stale_none_nothing() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let foreign = foreign(&cgroup, 2, MULTI);
    let first = put(&cgroup, RULES, Stale::None);
    let second = put(&cgroup, RULES, Stale::None);
    assert_eq!(second.detached, []);
    assert_eq!(cgroup.ids(), [ids(&foreign), vec![first.id, second.id]].concat());
}

#[test]
fn a_full_cgroup_without_a_stale_one_stays_as_it_is() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let foreign = foreign(&cgroup, MOST, MULTI);
    let error = try_put(&cgroup, RULES, Stale::Own).expect_err("there is no room");
    assert_eq!(
        chain(&error),
        format!(
            "cgroup {}: the cgroup has 64 device programs already and the kernel takes no more; \
             none that may go is the same as another, so none can be taken off first without \
             allowing more",
            cgroup.text()
        )
    );
    assert_eq!(cgroup.ids(), ids(&foreign));
}

fn a_lone_program_is_replaced_with_its_own_flags(flags: u32, as_flags: AttachFlags) {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let stale = foreign(&cgroup, 1, flags);
    assert_eq!(cgroup.flags(), as_flags);
    let put = put(&cgroup, RULES, Stale::All);
    assert_eq!(put.detached, ids(&stale));
    assert_eq!(cgroup.ids(), [put.id]);
    assert_eq!(cgroup.flags(), as_flags);
}

#[test]
fn an_exclusive_program() {
    a_lone_program_is_replaced_with_its_own_flags(EXCLUSIVE, AttachFlags::EXCLUSIVE);
}

#[test]
fn an_override_program() {
    a_lone_program_is_replaced_with_its_own_flags(OVERRIDE, AttachFlags::OVERRIDE);
}

#[test]
fn a_lone_program_that_is_to_stay_leaves_no_room() {
    if !require::bpf() {
        return;
    }
    for (flags, word) in [(EXCLUSIVE, "exclusive"), (OVERRIDE, "override")] {
        for stale in [Stale::Own, Stale::None] {
            let cgroup = TestCgroup::new();
            let before = foreign(&cgroup, 1, flags);
            let error = try_put(&cgroup, RULES, stale).expect_err("there is no room");
            let (path, id) = (cgroup.text(), before[0].id);
            assert_eq!(
                chain(&error),
                format!(
                    "cgroup {path}: program {id} was attached as {word}, which leaves no room \
                     for another"
                )
            );
            assert_eq!(cgroup.ids(), [id]);
        }
    }
}
