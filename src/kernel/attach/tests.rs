//! What only the inside can show; the rest is in tests/attach. These need root and cgroup2.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::lock::LOCK_POLL;
use super::super::query::{AttachFlags, Attached, query};
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

/// What the first look of a replacement showed, and no call since.
fn begin<'a>(cgroup: &'a TestCgroup, new: &'a Loaded) -> Replacement<'a, CgroupList<'a>> {
    DirectAttach::default().begin(cgroup.dir.as_fd(), new, &|| Ok(None)).unwrap()
}

fn fail_after(rounds: usize, cgroup: &TestCgroup, new: &Loaded) {
    let error = begin(cgroup, new).run(rounds, || Ok(())).unwrap_err();
    let gave_up = matches!(error, AttachError::Contended { rounds: given } if given == rounds);
    assert!(gave_up, "{error}");
}

fn sorted(cgroup: &TestCgroup) -> Vec<ProgId> {
    let mut ids = cgroup.ids();
    ids.sort();
    ids
}

#[test]
fn a_failure_half_way_puts_back_what_was_replaced() {
    for rounds in 1..3 {
        let cgroup = TestCgroup::new();
        let old: Vec<Loaded> = (0..3).map(|_| program(&["allow a *:* r"])).collect();
        old.iter().for_each(|old| attach(&cgroup, old, MULTI));
        let before = sorted(&cgroup);
        fail_after(rounds, &cgroup, &program(&[]));
        assert_eq!(before, sorted(&cgroup));
    }
}

/// In a full list there is no room for an old program as long as the new one is in it.
#[test]
fn a_failure_half_way_fills_a_full_list_again() {
    let cgroup = TestCgroup::new();
    let old: Vec<Loaded> = (0..64).map(|_| program(&["allow a *:* r"])).collect();
    old.iter().for_each(|old| attach(&cgroup, old, MULTI));
    let before = sorted(&cgroup);
    for rounds in 1..5 {
        fail_after(rounds, &cgroup, &program(&[]));
        assert_eq!(before, sorted(&cgroup));
    }
}

#[test]
fn the_last_look_counts() {
    let cgroup = TestCgroup::new();
    let old = program(&["allow a *:* r"]);
    attach(&cgroup, &old, MULTI);
    let new = program(&[]);
    begin(&cgroup, &new).run(1, || Ok(())).unwrap();
    assert_eq!(cgroup.ids(), [new.id()]);
}

#[test]
fn what_somebody_else_put_back_counts_as_back() {
    let cgroup = TestCgroup::new();
    let old = [program(&["allow a *:* r"]), program(&["allow a *:* w"])];
    old.iter().for_each(|old| attach(&cgroup, old, MULTI));
    let before = sorted(&cgroup);
    let new = program(&[]);
    let mut replacement = begin(&cgroup, &new);
    replacement.settle(8).unwrap();
    assert_eq!(cgroup.ids(), [new.id()]);
    attach(&cgroup, &old[0], MULTI);
    replacement.undo().unwrap();
    assert_eq!(before, sorted(&cgroup));
}

#[test]
fn undoing_says_what_others_added_and_took_away() {
    let cgroup = TestCgroup::new();
    let (old, other, new) = (program(&[]), program(&[]), program(&[]));
    attach(&cgroup, &old, MULTI);
    let mut replacement = begin(&cgroup, &new);
    attach(&cgroup, &other, MULTI);
    replacement.settle(8).unwrap();
    let (stays, old_id) = (program(&[]), old.id());
    attach(&cgroup, &stays, MULTI);
    let error = replacement.undo().unwrap_err().to_string();
    let (other, stays) = (other.id(), stays.id());
    let now: Vec<String> = cgroup.ids().iter().map(ToString::to_string).collect();
    assert!(now.len() == 3 && cgroup.ids().contains(&old_id), "{now:?}");
    let mut added = [stays, other];
    added.sort_by_key(|id| cgroup.ids().iter().position(|at| at == id));
    assert_eq!(
        error,
        format!(
            "the attached programs are not those of before: missing none; added {}, {}; attached \
             now {}",
            added[0],
            added[1],
            now.join(", ")
        )
    );
}

#[test]
fn a_failure_puts_back_an_exclusive_program_as_it_was() {
    let cgroup = TestCgroup::new();
    let old = program(&["allow a *:* r"]);
    attach(&cgroup, &old, AttachFlags::EXCLUSIVE.bits());
    let before = cgroup.attached();
    let new = program(&[]);
    let mut replacement = begin(&cgroup, &new);
    replacement.settle(1).unwrap();
    assert_eq!((cgroup.ids(), cgroup.attached().flags), (vec![new.id()], before.flags));
    replacement.undo().unwrap();
    let after = cgroup.attached();
    assert_eq!((before.ids, before.flags), (after.ids, after.flags));
}

#[test]
fn undoing_takes_off_what_replaced_nothing() {
    let cgroup = TestCgroup::new();
    let new = program(&[]);
    let mut replacement = begin(&cgroup, &new);
    replacement.settle(1).unwrap();
    assert_eq!(cgroup.ids(), [new.id()]);
    replacement.undo().unwrap();
    assert_eq!(cgroup.ids(), []);
}

/// As on a kernel before 5.6: attach first, detach after.
#[test]
fn without_replace_the_new_program_comes_first() {
    let cgroup = TestCgroup::new();
    let old = [program(&["allow a *:* r"]), program(&["allow a *:* w"])];
    old.iter().for_each(|old| attach(&cgroup, old, MULTI));
    let new = program(&[]);
    let mut replacement = begin(&cgroup, &new);
    replacement.progress.can_replace = false;
    replacement.settle(1).unwrap_err();
    assert_eq!(cgroup.ids(), [old[0].id(), old[1].id(), new.id()]);
    replacement.before = cgroup.attached();
    replacement.settle(8).unwrap();
    assert_eq!(cgroup.ids(), [new.id()]);
    let removed: Vec<ProgId> = replacement.progress.removed.iter().map(|old| old.id).collect();
    assert_eq!(removed, [old[0].id(), old[1].id()]);
}

#[test]
fn a_change_by_somebody_else_costs_a_round() {
    let cgroup = TestCgroup::new();
    let (old, other, new) = (program(&[]), program(&[]), program(&[]));
    attach(&cgroup, &old, MULTI);
    let mut replacement = begin(&cgroup, &new);
    attach(&cgroup, &other, MULTI);
    replacement.settle(1).unwrap_err();
    if replacement.before.revision.is_some() {
        assert_eq!(cgroup.ids(), [old.id(), other.id()], "attached to a list not looked at");
    }
    replacement.settle(8).unwrap();
    assert_eq!(cgroup.ids(), [new.id()]);
}

#[test]
fn a_locked_cgroup_is_waited_for() {
    let (cgroup, other) = (TestCgroup::new(), TestCgroup::new());
    let held = lock(cgroup.dir.as_fd()).unwrap().unwrap();
    let again = File::open(&cgroup.path).unwrap();
    let waiting = std::thread::spawn(move || lock(again.as_fd()).map(drop));
    drop(lock(other.dir.as_fd()).unwrap().unwrap());
    std::thread::sleep(LOCK_POLL * 5);
    assert!(!waiting.is_finished());
    drop(held);
    waiting.join().unwrap().unwrap();
}
