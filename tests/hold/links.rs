//! Making and changing a link.

use std::fs;
use std::os::fd::AsFd;

use devgate::hold::{Hold, HoldError};

use super::common::bpf::{Foreign, map};
use super::common::bpffs::BpfFs;
use super::common::cgroup::TestCgroup;
use super::common::enforce::chain;
use super::common::require;
use super::{attach, id, loaded, pins, sorted};

const OLD: &[&str] = &["allow c 1:3 rw"];
const NEW: &[&str] = &["allow c 1:5 rw"];
const EXCLUSIVE: u32 = 0;
const MULTI: u32 = 2;

#[test]
fn the_program_stays_when_its_copy_is_taken_off() {
    if !require::bpf() {
        return;
    }
    let (bpffs, cgroup) = (BpfFs::new(), TestCgroup::new());
    let (pins, program) = (pins(&bpffs), loaded(OLD));
    attach(&cgroup, &program);
    let held = pins.hold(&cgroup.open(), &program).expect("the policy can be held");
    assert_eq!(held, Hold { pin: pins.path(id(&cgroup)), before: None });
    assert_eq!(cgroup.attached().ids, [program.id(), program.id()]);
    let id = program.id();
    drop(program);
    devgate::kernel::detach(cgroup.open().as_fd(), id).expect("the copy can be detached");
    assert_eq!(cgroup.attached().ids, [id]);
}

#[test]
fn a_link_takes_the_next_program() {
    if !require::bpf() {
        return;
    }
    let (bpffs, cgroup) = (BpfFs::new(), TestCgroup::new());
    let (pins, old, new) = (pins(&bpffs), loaded(OLD), loaded(NEW));
    attach(&cgroup, &old);
    pins.hold(&cgroup.open(), &old).expect("the policy can be held");
    attach(&cgroup, &new);
    // The old link and the new copy: both policies have to allow a request.
    assert_eq!(sorted(cgroup.attached().ids), sorted(vec![old.id(), new.id()]));
    let held = pins.hold(&cgroup.open(), &new).expect("the link can be changed");
    assert_eq!(held.before, Some(old.id()));
    assert_eq!(cgroup.attached().ids, [new.id(), new.id()]);
    let again = pins.hold(&cgroup.open(), &new).expect("nothing has to change");
    assert_eq!(again.before, Some(new.id()));
    let link = pins.get(id(&cgroup)).expect("the pin can be read").expect("there is one");
    assert_eq!(link.program, new.id());
}

#[test]
fn releasing_leaves_the_copy() {
    if !require::bpf() {
        return;
    }
    let (bpffs, cgroup) = (BpfFs::new(), TestCgroup::new());
    let (pins, program) = (pins(&bpffs), loaded(OLD));
    attach(&cgroup, &program);
    pins.hold(&cgroup.open(), &program).expect("the policy can be held");
    assert!(pins.release(id(&cgroup)).expect("the pin can be removed"));
    assert_eq!(cgroup.attached().ids, [program.id()]);
    assert!(!pins.release(id(&cgroup)).expect("there is no pin"));
    assert!(pins.get(id(&cgroup)).expect("there is no pin").is_none());
}

#[test]
fn an_exclusive_program_leaves_no_room_for_a_link() {
    if !require::bpf() {
        return;
    }
    let (bpffs, cgroup) = (BpfFs::new(), TestCgroup::new());
    let (pins, program) = (pins(&bpffs), loaded(OLD));
    let exclusive = Foreign::allowing("exclusive");
    exclusive.attach(cgroup.open().as_fd(), EXCLUSIVE);
    let error = pins.hold(&cgroup.open(), &program).expect_err("there is no room");
    let expected = format!(
        "program {} cannot be linked to the cgroup: EPERM: Operation not permitted",
        program.id()
    );
    assert_eq!(chain(&error), expected);
    assert_eq!(cgroup.attached().ids, [exclusive.id]);
    assert!(pins.ids().expect("the directory can be listed").is_empty());
}

#[test]
fn what_else_is_pinned_by_that_name_is_left_alone() {
    if !require::bpf() {
        return;
    }
    let (bpffs, cgroup, other) = (BpfFs::new(), TestCgroup::new(), TestCgroup::new());
    let (pins, program) = (pins(&bpffs), loaded(OLD));
    let path = pins.path(id(&cgroup));
    let name = format!("devgate/{}", id(&cgroup));
    bpffs.pin(&name, map());
    let error = pins.hold(&cgroup.open(), &program).expect_err("it is a map");
    let expected = format!("pin {} cannot be read: EINVAL: Invalid argument", path.display());
    assert_eq!(chain(&error), expected);
    fs::remove_file(&path).expect("the map can be unpinned");

    let foreign = Foreign::allowing("elsewhere");
    foreign.attach(other.open().as_fd(), MULTI);
    bpffs.pin(&name, foreign.link(other.open().as_fd()));
    let error = pins.hold(&cgroup.open(), &program).expect_err("it is of another cgroup");
    assert!(matches!(error, HoldError::OtherCgroup { found, .. } if found == id(&other)));
    assert_eq!(cgroup.attached().ids, []);
    fs::remove_file(&path).expect("the link can be unpinned");
}
