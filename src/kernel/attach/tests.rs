//! What only the inside can show; the rest is in tests/attach.rs. These need root and cgroup2.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::lock::LOCK_POLL;
use super::super::replace::Round;
use super::super::sys;
use super::*;
use crate::compile::compile;
use crate::kernel::load;
use crate::policy::{DefaultDevices, Policy};
use crate::verify::verify;

/// A cgroup that is removed in the end, whatever happens.
struct TestCgroup {
    path: PathBuf,
    dir: File,
}

impl TestCgroup {
    fn new() -> TestCgroup {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).unwrap();
        let path = PathBuf::from(line.split(' ').nth(1).unwrap())
            .join(format!("devgate-unit-{}-{next}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let dir = File::open(&path).unwrap();
        TestCgroup { path, dir }
    }

    fn attached(&self) -> Attached {
        query(self.dir.as_fd()).unwrap()
    }

    fn ids(&self) -> Vec<ProgId> {
        self.attached().ids
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        fs::remove_dir(&self.path).unwrap();
    }
}

fn program(rules: &[&str]) -> Loaded {
    let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let policy = Policy::new(rules, DefaultDevices::None);
    load(&verify(compile(&policy).unwrap(), &policy).unwrap()).unwrap()
}

const MULTI: u32 = AttachFlags::MULTI.bits();

fn attach(cgroup: &TestCgroup, program: &Loaded, flags: u32) {
    sys::prog_attach(cgroup.dir.as_fd(), program.as_fd(), flags, None, 0).unwrap();
}

const ALL: DirectAttach = DirectAttach { stale: Stale::All, retval: RetvalPrograms::Refuse };

/// Enough rounds to put the new program in, too few to take all others off.
fn fail_half_way(cgroup: &TestCgroup, new: &Loaded) {
    let error = ALL.within(2, cgroup.attached(), cgroup.dir.as_fd(), new).unwrap_err();
    assert!(matches!(error, AttachError::Contended { rounds: 2 }), "{error}");
}

#[test]
fn a_failure_half_way_puts_back_what_was_replaced() {
    let cgroup = TestCgroup::new();
    let old: Vec<Loaded> = (0..3).map(|_| program(&["allow a *:* r"])).collect();
    old.iter().for_each(|old| attach(&cgroup, old, MULTI));
    let before = cgroup.ids();
    let new = program(&[]);
    fail_half_way(&cgroup, &new);
    let (mut before, mut after) = (before, cgroup.ids());
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[test]
fn a_failure_puts_back_an_exclusive_program_as_it_was() {
    let cgroup = TestCgroup::new();
    let old = program(&["allow a *:* r"]);
    attach(&cgroup, &old, AttachFlags::EXCLUSIVE.bits());
    let before = cgroup.attached();
    let error = ALL.within(1, cgroup.attached(), cgroup.dir.as_fd(), &program(&[])).unwrap_err();
    assert!(matches!(error, AttachError::Contended { rounds: 1 }), "{error}");
    let after = cgroup.attached();
    assert_eq!((before.ids, before.flags), (after.ids, after.flags));
}

#[test]
fn a_failure_takes_off_what_replaced_nothing() {
    let cgroup = TestCgroup::new();
    let error = ALL.within(1, cgroup.attached(), cgroup.dir.as_fd(), &program(&[])).unwrap_err();
    assert!(matches!(error, AttachError::Contended { rounds: 1 }), "{error}");
    assert_eq!(cgroup.ids(), []);
}

/// As on a kernel before 5.6: attach first, detach after.
#[test]
fn without_replace_the_new_program_comes_first() {
    let cgroup = TestCgroup::new();
    let old = [program(&["allow a *:* r"]), program(&["allow a *:* w"])];
    old.iter().for_each(|old| attach(&cgroup, old, MULTI));
    let new = program(&[]);
    let mut replacement = Replacement {
        cgroup: cgroup.dir.as_fd(),
        program: &new,
        stale: Stale::All,
        can_replace: false,
        removed: Vec::new(),
        left: BTreeMap::new(),
    };
    let attached = cgroup.attached();
    replacement.insert(&attached).unwrap();
    assert_eq!(cgroup.ids(), [old[0].id(), old[1].id(), new.id()]);
    replacement.settle(8, cgroup.attached()).unwrap();
    assert_eq!(cgroup.ids(), [new.id()]);
    let removed: Vec<ProgId> = replacement.removed.iter().map(|(id, _)| *id).collect();
    assert_eq!(removed, [old[0].id(), old[1].id()]);
}

#[test]
fn a_change_by_somebody_else_costs_a_round() {
    let cgroup = TestCgroup::new();
    let (old, other, new) = (program(&[]), program(&[]), program(&[]));
    attach(&cgroup, &old, MULTI);
    let mut replacement = Replacement {
        cgroup: cgroup.dir.as_fd(),
        program: &new,
        stale: Stale::All,
        can_replace: true,
        removed: Vec::new(),
        left: BTreeMap::new(),
    };
    let seen = cgroup.attached();
    attach(&cgroup, &other, MULTI);
    assert!(matches!(replacement.insert(&seen).unwrap(), Round::Again));
    if seen.revision.is_some() {
        assert_eq!(cgroup.ids(), [old.id(), other.id()], "attached to a list not looked at");
    }
    replacement.settle(8, cgroup.attached()).unwrap();
    assert_eq!(cgroup.ids(), [new.id()]);
}

#[test]
fn a_locked_cgroup_is_waited_for() {
    let cgroup = TestCgroup::new();
    let held = lock(cgroup.dir.as_fd()).unwrap();
    let other = File::open(&cgroup.path).unwrap();
    let waiting = std::thread::spawn(move || lock(other.as_fd()).map(drop));
    std::thread::sleep(LOCK_POLL * 5);
    assert!(!waiting.is_finished());
    drop(held);
    waiting.join().unwrap().unwrap();
}
