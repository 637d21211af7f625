//! devgates take turns, and nobody else can hold them up.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use super::common::cgroup::TestCgroup;
use super::common::command::{self, Run, devgate};
use super::common::enforce::put;
use super::common::require;
use super::{MULTI, foreign};
use devgate::kernel::Stale;

fn apply(cgroup: &TestCgroup) -> Run {
    devgate(&["apply", "--cgroup", cgroup.text(), "--config", "-"], "{}")
}

/// devgate in a mount namespace of its own, after this script.
fn apply_after(script: &str, cgroup: &TestCgroup) -> Run {
    let script = format!(r#"mount --make-rprivate / && {script} && exec "$@""#);
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-ec", &script, "sh", env!("CARGO_BIN_EXE_devgate")]);
    unshare.args(["apply", "--cgroup", cgroup.text(), "--config", "-"]);
    command::run(&mut unshare, "{}")
}

/// Any user may open the directory, and what is open can be locked.
#[test]
fn a_lock_on_the_cgroups_directory_holds_nobody_up() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let dir = File::open(cgroup.path()).expect("the directory");
    let _lock = Flock::lock(dir, FlockArg::LockExclusiveNonblock).expect("flock(2)");
    apply(&cgroup).success();
    assert_eq!(cgroup.ids().len(), 1);
}

#[test]
fn only_root_can_open_the_lock() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    apply(&cgroup).success();
    let mode = |path: &str| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!((mode("/run/devgate"), mode("/run/devgate/lock")), (0o700, 0o600));
    let nobody = Command::new("cat").arg("/run/devgate/lock").uid(65534).gid(65534).output();
    assert!(!nobody.expect("cat can be run").status.success());
}

#[test]
fn without_a_place_for_the_lock_it_goes_on_and_says_so() {
    if !require::bpf() {
        return;
    }
    for (script, why) in [
        ("mount -t tmpfs -o ro none /run", "can't be made: Read-only file system"),
        (
            "mount -t tmpfs none /run && touch /run/devgate",
            "can't be opened as a directory: Not a directory",
        ),
        ("mount -t tmpfs none /run && ln -s /tmp /run/devgate", "can't be opened as a directory"),
        (
            "mount -t tmpfs none /run && mkdir -m 777 /run/devgate",
            "has mode 0777 and must have mode 0700",
        ),
        (
            "mount -t tmpfs none /run && mkdir -m 700 /run/devgate && chown 65534 /run/devgate",
            "is owned by user 65534 and must be owned by root",
        ),
        (
            "mount -t tmpfs none /run && mkdir -m 700 /run/devgate && ln -s /x /run/devgate/lock",
            "/run/devgate/lock can't be opened",
        ),
    ] {
        let cgroup = TestCgroup::new();
        let stale = foreign(&cgroup, 2, MULTI);
        let run = apply_after(script, &cgroup);
        assert_eq!(run.code, Some(0), "{script}: {run:?}");
        let warning = run.complaint();
        assert!(warning.starts_with("warning: the cgroup was not locked"), "{run:?}");
        assert!(warning.contains(why), "{script}: {run:?}");
        assert_eq!(cgroup.ids().len(), 1, "{} were stale", stale.len());
    }
}

/// A lock is a byte of one file: nothing is left of the cgroups that are gone.
#[test]
fn no_file_is_left_for_each_cgroup() {
    if !require::bpf() {
        return;
    }
    for _ in 0..3 {
        put(&TestCgroup::new(), &["allow c 1:3 rw"], Stale::All);
    }
    let files = fs::read_dir("/run/devgate").expect("it is there").flatten();
    let files: Vec<_> = files.filter(|file| file.path().is_file()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[test]
fn the_log_says_that_there_was_no_lock() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let sleeper = super::common::sleeper::Sleeper::within(&cgroup);
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log");
    let script = r#"mount --make-rprivate / && mount -t tmpfs -o ro none /run && exec "$@""#;
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-ec", script, "sh", env!("CARGO_BIN_EXE_devgate"), "hook", "--log"]);
    let state = format!(r#"{{"id":"c1","pid":{},"bundle":"/none"}}{{}}"#, sleeper.pid());
    let run = command::run(unshare.arg(&log), state);
    assert_eq!(run.code, Some(0), "{run:?}");
    let line = fs::read_to_string(&log).expect("a log");
    assert!(line.contains(r#" warning="the cgroup was not locked"#), "{line}");
    assert!(run.stderr.contains("devgate: warning: the cgroup was not locked"), "{run:?}");
    assert!(run.stderr.contains("devgate: warning: the container has no record"), "{run:?}");
    assert_eq!(cgroup.ids().len(), 1);
}
