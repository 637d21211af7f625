//! The hook in a user namespace, where the kernel loads no device programs.

use std::fs;
use std::os::unix::fs::chown;
use std::process::Command;

use super::CONFIG;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, run};
use super::common::require;
use super::common::sleeper::Sleeper;

const UNSHARE: [&str; 2] = ["--user", "--map-root-user"];

fn possible() -> bool {
    let allowed = Command::new("unshare").args(UNSHARE).arg("true").output();
    let allowed = allowed.is_ok_and(|output| output.status.success());
    require::bpf() && require::require(allowed, "it needs user namespaces and unshare(1)")
}

/// Not root, and not the user that stands for those who are not mapped.
const USER: u32 = 1000;

fn has_setpriv() -> bool {
    Command::new("setpriv").arg("--version").output().is_ok()
}

fn hook(pid: u32, args: &[&str]) -> Run {
    let input = format!(r#"{{"id":"c1","pid":{pid},"bundle":"/no/bundle"}}{CONFIG}"#);
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg(env!("CARGO_BIN_EXE_devgate")).arg("hook").args(args);
    run(&mut command, input)
}

const WARNING: &str = "warning: in a user namespace, so devices are not limited: ";
const CAUSE: &str = "no permission to load a program (CAP_BPF or CAP_SYS_ADMIN is needed)";

#[test]
fn it_warns_and_lets_the_container_start() {
    if !possible() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    for args in [&[][..], &["--rootless", "warn"]] {
        let run = hook(container.pid(), args);
        assert_eq!((run.code, run.text()), (Some(0), ""), "{run:?}");
        assert!(run.complaint().starts_with(&format!("{WARNING}{CAUSE}")), "{run:?}");
        assert_eq!(cgroup.ids(), []);
    }
}

#[test]
fn it_fails_if_told_to() {
    if !possible() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let run = hook(container.pid(), &["--rootless", "fail"]);
    assert!(run.failure().starts_with(CAUSE), "{run:?}");
    assert_eq!(cgroup.ids(), []);
}

#[test]
fn the_log_says_that_it_was_skipped() {
    if !possible() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log");
    let args = ["--log-format", "json", "--log", log.to_str().expect("a path of text")];
    assert_eq!(hook(container.pid(), &args).code, Some(0));
    let text = fs::read_to_string(log).expect("there is a log");
    let line: serde_json::Value = serde_json::from_str(&text).expect("one line");
    assert_eq!((&line["result"], &line["container"]), (&"skipped".into(), &"c1".into()));
    assert!(line["error"].as_str().is_some_and(|error| error.starts_with(CAUSE)), "{line}");
}

/// There the machine's own directories belong to a user that is not mapped.
#[test]
fn a_users_own_log_is_written() {
    if !possible() || !require::require(has_setpriv(), "it needs setpriv(1)") {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let dir = tempfile::tempdir().expect("a folder");
    let (binary, log) = (dir.path().join("devgate"), dir.path().join("log"));
    fs::copy(env!("CARGO_BIN_EXE_devgate"), &binary).expect("a copy");
    chown(dir.path(), Some(USER), Some(USER)).expect("its owner can be set");
    let pid = container.pid();
    let input = format!(r#"{{"id":"c1","pid":{pid},"bundle":"/no/bundle"}}{CONFIG}"#);
    let mut command = Command::new("setpriv");
    command.args(["--clear-groups", &format!("--reuid={USER}"), &format!("--regid={USER}")]);
    command.arg("unshare").args(UNSHARE).arg(binary).args(["hook", "--log"]).arg(&log);
    let ran = run(&mut command, input);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(fs::read_to_string(log).expect("there is a log").contains(" devgate skipped "));
}

/// What has nothing to do with rights stays an error.
#[test]
fn bad_input_fails_there_too() {
    if !possible() {
        return;
    }
    let run = hook(1 << 30, &[]);
    assert_eq!(run.failure(), "process 1073741824 does not exist");
}
