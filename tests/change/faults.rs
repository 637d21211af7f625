//! System calls that fail and kills, in `grant` and `revoke`, by strace's fault injection.

use std::process::Command;

use super::common::command::{Run, run};
use super::common::require;
use super::stage::{FUSE, Stage};

/// A way to fail, and how many of its calls are passed over before the next one fails.
struct Fault {
    call: &'static str,
    /// What strace is to do.
    what: &'static str,
    step: usize,
}

const fn each(call: &'static str, what: &'static str) -> Fault {
    Fault { call, what, step: 1 }
}

const fn some(call: &'static str, what: &'static str) -> Fault {
    Fault { call, what, step: 5 }
}

const FAULTS: &[Fault] = &[
    each("bpf", "signal=KILL"),
    each("/^rename", "signal=KILL"),
    each("fsync", "signal=KILL"),
    each("flock", "signal=KILL"),
    some("openat", "signal=KILL"),
    each("bpf", "error=ENOMEM"),
    each("/^rename", "error=ENOSPC"),
    each("fsync", "error=EIO"),
    each("write", "error=ENOSPC"),
    each("flock", "error=EIO"),
    some("openat", "error=EMFILE"),
];

const GRANT: [&str; 4] = ["grant", "container", "c 10:229", "--no-node"];
const REVOKE: [&str; 3] = ["revoke", "container", "c 10:229"];

fn can_run() -> bool {
    require::bpf()
        && require::require(Command::new("strace").arg("-V").output().is_ok(), "it needs strace")
}

/// The command's run, and whether the fault came: there may be fewer calls.
fn with_fault(fault: &Fault, number: usize, args: &[&str]) -> (Run, bool) {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let (trace, inject) = (
        format!("trace={}", fault.call),
        format!("inject={}:{}:when={number}", fault.call, fault.what),
    );
    let mut strace = Command::new("strace");
    strace.arg("-qq").arg("-o").arg(log.path()).args(["-e", &trace, "-e", &inject]);
    strace.arg(env!("CARGO_BIN_EXE_devgate")).args(args);
    let run = run(&mut strace, "");
    let log = std::fs::read_to_string(log.path()).expect("it can be read");
    let came = run.code.is_none() || log.contains("(INJECTED)");
    (run, came)
}

fn is_granted(stage: &Stage) -> bool {
    stage.grants() == ["allow c 10:229 rw"]
}

fn sweep(command: &[&str], back: &[&str], grants: bool) {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    if !grants {
        stage.runs(back);
    }
    let mut runs = 0;
    for fault in FAULTS {
        let mut number = 1;
        loop {
            let before = stage.everything();
            let (run, came) = with_fault(fault, number, command);
            if !came {
                stage.runs(back);
                break;
            }
            let case = format!("{} {} {number}: {run:?}", fault.call, fault.what);
            runs += 1;
            assert!(stage.allows("c 1:11 r") && !stage.allows("c 10:237 r"), "{case}");
            let (allowed, recorded) = (stage.allows(FUSE), is_granted(&stage));
            match run.code {
                // What was done may not have been told.
                code if code == Some(0) || run.stderr.contains("this was done") => {
                    assert_eq!((allowed, recorded), (grants, grants), "{case}");
                }
                // 3: the old program could not be taken off, and denies.
                Some(1 | 3) => {
                    assert!(!run.stderr.contains("panicked"), "{case}");
                    assert_eq!(stage.everything(), before, "{case}");
                }
                None => assert!(!allowed || recorded || grants, "{case}"),
                _ => panic!("{case}"),
            }
            // The next command repairs what a kill left.
            stage.runs(command);
            assert_eq!((stage.allows(FUSE), is_granted(&stage)), (grants, grants), "{case}");
            stage.runs(back);
            assert_eq!((stage.allows(FUSE), is_granted(&stage)), (!grants, !grants), "{case}");
            number += fault.step;
        }
    }
    println!("{runs} runs");
    assert!(runs > 60, "{runs} runs");
}

#[test]
fn a_grant_that_fails_or_is_killed() {
    sweep(&GRANT, &REVOKE, true);
}

#[test]
fn a_revocation_that_fails_or_is_killed() {
    sweep(&REVOKE, &GRANT, false);
}
