//! Several at once: devgates, other people's changes, and the container's own opens.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use devgate::kernel::{ProgId, Stale, detach};
use devgate::policy::Verdict;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{command, finish, start};
use super::common::enforce::{put, try_put};
use super::common::opener::{Opener, serve_if_child};
use super::common::require;
use super::{MULTI, foreign};

const CHILD_TEST: &str = "concurrent::at_no_instant_is_a_denied_device_open";

const REPLACEMENTS: usize = 200;
const DEVGATES: usize = 8;

/// Both deny /dev/kmsg, both allow /dev/null, and they differ elsewhere.
const POLICIES: [&[&str]; 2] = [
    &["deny a *:* rwm", "allow c 1:3 rw", "allow c 1:5 rw"],
    &["allow a *:* rwm", "deny c 1:11 rwm", "deny c 1:5 w"],
];

#[test]
fn at_no_instant_is_a_denied_device_open() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let [kmsg, null] = ["c 1:11 r", "c 1:3 rw"].map(|text| text.parse().expect("a request"));
    let mut openers = [(); 2].map(|()| Opener::within(&cgroup, CHILD_TEST));
    let [denied, allowed] = &mut openers;
    denied.make_node(&kmsg);
    allowed.make_node(&null);
    put(&cgroup, POLICIES[0], Stale::All);
    assert_eq!(denied.verdict(&kmsg), Verdict::Deny);
    let replace = || {
        for round in 1..=REPLACEMENTS {
            // Now and then there are several to replace.
            let _stale = foreign(&cgroup, if round % 8 == 0 { 3 } else { 0 }, MULTI);
            put(&cgroup, POLICIES[round % 2], Stale::All);
        }
    };
    let mut of_null = None;
    let of_kmsg = denied.hammer(&kmsg, || of_null = Some(allowed.hammer(&null, replace)));
    println!("/dev/kmsg: {of_kmsg:?}, /dev/null: {of_null:?}");
    assert_eq!(of_kmsg.opened, 0, "{of_kmsg:?}");
    assert!(of_kmsg.denied > 1000, "{of_kmsg:?}");
    let of_null = of_null.expect("it was opened too");
    assert_eq!(of_null.denied, 0, "{of_null:?}");
    assert_eq!(cgroup.ids().len(), 1);
}

#[test]
fn devgates_on_one_cgroup_leave_one_program() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let _stale = foreign(&cgroup, 5, MULTI);
    let args = ["apply", "--cgroup", cgroup.text(), "--config", "-"];
    let devgates: Vec<_> = (0..DEVGATES).map(|_| start(&mut command(&args))).collect();
    let runs = devgates.into_iter().map(|devgate| finish(devgate, "{}"));
    let attached: Vec<ProgId> = runs
        .map(|run| {
            let first = run.success().lines().next().expect("a line").to_owned();
            let id = first.split_whitespace().nth(2).expect("attached program ID");
            ProgId::new(id.parse().expect("an id"))
        })
        .collect();
    let [left] = cgroup.ids()[..] else { panic!("{:?} are attached", cgroup.ids()) };
    assert!(attached.contains(&left), "{left} is none of {attached:?}");
}

/// Somebody who attaches and detaches programs all the time costs rounds, not correctness.
#[test]
fn other_peoples_changes_do_no_harm() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let stop = AtomicBool::new(false);
    let meddle = || {
        let dir = cgroup.open();
        while !stop.load(Ordering::Relaxed) {
            let program = Foreign::allowing("meddler");
            program.attach(dir.as_fd(), MULTI);
            detach(dir.as_fd(), program.id).expect("it can be detached");
        }
    };
    let (mut attached, mut contended) = (0, 0);
    thread::scope(|scope| {
        let meddler = scope.spawn(meddle);
        for round in 0..REPLACEMENTS {
            let before = cgroup.ids();
            match try_put(&cgroup, POLICIES[round % 2], Stale::All) {
                Ok(outcome) => {
                    attached += 1;
                    assert!(cgroup.ids().contains(&outcome.id), "it is not attached");
                }
                Err(error) => {
                    contended += 1;
                    println!("{error}: {before:?} before, {:?} after", cgroup.ids());
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        meddler.join().expect("the meddler ends well");
    });
    println!("{attached} attached, {contended} gave up");
    assert_eq!(cgroup.ids().len(), 1, "{:?}", cgroup.ids());
}
