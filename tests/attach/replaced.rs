//! Which programs give way.

use std::os::fd::AsFd;

use devgate::kernel::{AttachFlags, Stale, detach};

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

#[test]
fn an_exclusive_program() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let stale = foreign(&cgroup, 1, EXCLUSIVE);
    let put = put(&cgroup, RULES, Stale::All);
    assert_eq!(put.detached, ids(&stale));
    assert_eq!(cgroup.ids(), [put.id]);
    assert_eq!(cgroup.flags(), AttachFlags::EXCLUSIVE);
}

/// The kernel would replace it only by another override program, which a program of a child cgroup
/// takes out of force.
#[test]
fn an_override_program_is_an_error_that_names_it() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let stale = foreign(&cgroup, 1, OVERRIDE);
    let error = try_put(&cgroup, RULES, Stale::All).expect_err("its flags would be inherited");
    assert_eq!(
        chain(&error),
        format!(
            "cgroup {}: program {} was attached as override, and the kernel replaces it only by \
             another override program, which a program of a cgroup below would take out of \
             force; detach it first (`devgate detach`), which leaves the cgroup without a program \
             until then",
            cgroup.text(),
            stale[0].id
        )
    );
    assert_eq!((cgroup.ids(), cgroup.flags()), (ids(&stale), AttachFlags::OVERRIDE));
    detach(cgroup.open().as_fd(), stale[0].id).expect("the remedy");
    let put = put(&cgroup, RULES, Stale::All);
    assert_eq!((cgroup.ids(), cgroup.flags()), (vec![put.id], AttachFlags::MULTI));
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
