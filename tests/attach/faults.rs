//! System calls that fail in the real binary, by strace's fault injection. A model of the list, in
//! which every call fails in every way, is in src/kernel/replace/tests.rs.

use std::process::Command;

use devgate::kernel::ProgId;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, run};
use super::common::require;
use super::{MULTI, foreign, ids};

const NOTHING: &str = r#"{"linux":{"resources":{"devices":[]}}}"#;

/// `devgate apply` with what strace is to inject.
fn apply(cgroup: &TestCgroup, inject: &str) -> Run {
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-f", "-o", "/dev/null", "-e", &format!("inject={inject}")]);
    strace.arg(env!("CARGO_BIN_EXE_devgate"));
    run(strace.args(["apply", "--hold", "no", "--cgroup", cgroup.text(), "--config", "-"]), NOTHING)
}

fn can_run() -> bool {
    require::bpf()
        && require::require(Command::new("strace").arg("-V").output().is_ok(), "it needs strace")
}

fn sorted(mut ids: Vec<ProgId>) -> Vec<ProgId> {
    ids.sort_unstable();
    ids
}

/// One that allows everything, and two that deny everything.
fn three_stale(cgroup: &TestCgroup) -> Vec<Foreign> {
    use std::os::fd::AsFd;
    let programs =
        vec![Foreign::allowing("all"), Foreign::denying("none"), Foreign::denying("none")];
    programs.iter().for_each(|program| program.attach(cgroup.open().as_fd(), MULTI));
    programs
}

/// Each bpf(2) call from the first look on, once, twice, and from there on for good.
#[test]
fn any_call_fails() {
    if !can_run() {
        return;
    }
    for first in 3..13 {
        for (errno, when) in [
            ("EPERM", format!("{first}")),
            ("EINVAL", format!("{first}..{}", first + 1)),
            ("ENOMEM", format!("{first}+")),
            ("ENOENT", format!("{first}+")),
        ] {
            let cgroup = TestCgroup::new();
            let stale = three_stale(&cgroup);
            let run = apply(&cgroup, &format!("bpf:error={errno}:when={when}"));
            told_exactly(&run, &ids(&stale), &cgroup.ids(), &format!("{errno} {when}"));
        }
    }
}

fn told_exactly(run: &Run, before: &[ProgId], now: &[ProgId], case: &str) {
    let all_are_back = before.iter().all(|id| now.contains(id));
    let ours: Vec<_> = now.iter().filter(|id| !before.contains(id)).collect();
    let told = |id: &ProgId| run.stderr.contains(&id.to_string());
    match run.code {
        Some(0) => {
            assert_eq!(ours.len(), 1, "{case}: {now:?} {run:?}");
            let left = before.iter().filter(|id| now.contains(id));
            left.for_each(|id| assert!(told(id), "{case}: {id} stays: {run:?}"));
        }
        Some(1) if all_are_back && ours.is_empty() => {}
        Some(1) => {
            // Never only a part of the old programs: the new one is there as well.
            assert_eq!(ours.len(), 1, "{case}: {now:?} of {before:?} {run:?}");
            let missing = before.iter().filter(|id| !now.contains(id));
            assert!(missing.chain(ours).all(told), "{case}: {now:?} of {before:?} {run:?}");
        }
        _ => panic!("{case}: {run:?}"),
    }
}

#[test]
fn undoing_works_although_its_first_look_fails() {
    if !can_run() {
        return;
    }
    let cgroup = TestCgroup::new();
    let stale = foreign(&cgroup, 1, MULTI);
    let run = apply(&cgroup, "bpf:error=EPERM:when=6..7");
    assert!(run.failure().ends_with("can't be listed: EPERM: Operation not permitted"), "{run:?}");
    assert_eq!(cgroup.ids(), ids(&stale));
}

#[test]
fn what_can_not_be_undone_is_told() {
    if !can_run() {
        return;
    }
    let cgroup = TestCgroup::new();
    let stale = foreign(&cgroup, 1, MULTI);
    let run = apply(&cgroup, "bpf:error=EPERM:when=6+");
    let [ours] = cgroup.ids()[..] else { panic!("{:?}: {run:?}", cgroup.ids()) };
    let old = stale[0].id;
    let listed = "the device programs attached can't be listed";
    let errno = "EPERM: Operation not permitted";
    assert_eq!(
        run.failure(),
        format!(
            "cgroup {}: what is attached now can't be told: {listed} ({errno}); attached before \
             {old}; not put back {old}; not taken off {ours}; this is what failed: {listed}: \
             {errno}",
            cgroup.text()
        )
    );
}

#[test]
fn a_program_that_seems_to_be_gone_is_looked_for_again() {
    if !can_run() {
        return;
    }
    let cgroup = TestCgroup::new();
    let stale = foreign(&cgroup, 2, MULTI);
    // The seventh call opens the second one, when the new program has replaced the first.
    let run = apply(&cgroup, "bpf:error=ENOENT:when=7");
    assert!(run.success().contains(&format!("detached program {}", stale[1].id)), "{run:?}");
    assert_eq!(cgroup.ids().len(), 1, "{run:?}");
    let last = cgroup.ids()[0];
    // Listed twice, and twice not found.
    let run = apply(&cgroup, "bpf:error=ENOENT:when=4..6+2");
    assert_eq!(run.code, Some(0), "{run:?}");
    let expected = "stays attached: it can't be opened: ENOENT: No such file or directory";
    assert_eq!(run.complaint(), format!("warning: program {last} {expected}"));
    assert_eq!((cgroup.ids().len(), cgroup.ids()[0]), (2, last));
}

#[test]
fn a_lock_that_fails_is_no_reason_to_fail() {
    if !can_run() {
        return;
    }
    for errno in ["EINTR", "ENOLCK", "EINVAL"] {
        let cgroup = TestCgroup::new();
        let run = apply(&cgroup, &format!("fcntl:error={errno}"));
        assert_eq!((run.code, cgroup.ids().len()), (Some(0), 1), "{run:?}");
        let expected = "warning: the cgroup was not locked, so another devgate may be at work on";
        assert!(run.complaint().starts_with(expected), "{run:?}");
    }
}

/// Killed at each call from the first look on.
#[test]
fn killed_anywhere_it_leaves_no_less_than_a_policy() {
    if !can_run() {
        return;
    }
    for call in 3..13 {
        let cgroup = TestCgroup::new();
        let stale = three_stale(&cgroup);
        let run = apply(&cgroup, &format!("bpf:signal=KILL:when={call}"));
        let (before, now) = (ids(&stale), cgroup.ids());
        let ours = now.iter().any(|id| !before.contains(id));
        assert!(ours || sorted(now.clone()) == sorted(before), "{call}: {now:?} {run:?}");
    }
}
