//! Which process's cgroup it is: /proc may show another pid namespace, and processes are moved.

use std::fs;
use std::os::fd::AsFd;
use std::process::Command;

use super::CONFIG;
use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{self, Run, finish};
use super::common::require;
use super::common::sleeper::Sleeper;

fn state(pid: &str) -> String {
    format!(r#"{{"ociVersion":"1.2.0","id":"c1","status":"creating","pid":{pid},"bundle":"/b"}}"#)
}

/// The hook in a pid namespace of its own, with the host's /proc. The process that it is about has
/// an id there that on the host is somebody else's.
#[test]
fn a_proc_of_another_pid_namespace_is_refused() {
    if !require::bpf() {
        return;
    }
    let (cgroup, other) = (TestCgroup::new(), TestCgroup::new());
    let bystander = Sleeper::within(&other);
    // In the new namespace, the next id is that of the bystander.
    let script = r#"
        echo $(($2 - 1)) > /proc/sys/kernel/ns_last_pid || exit 98
        sleep 600 & pid=$!
        test $pid = $2 || { echo "the process got id $pid" >&2; exit 99; }
        printf %s "$3" | "$0" hook; code=$?
        kill $pid
        exit $code"#;
    let pid = bystander.pid().to_string();
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child", "sh", "-c", script]);
    unshare.args([env!("CARGO_BIN_EXE_devgate"), "", &pid, &(state(&pid) + CONFIG)]);
    let run = command::run(&mut unshare, "");
    assert!(run.failure().starts_with("/proc is of another pid namespace: process"), "{run:?}");
    assert_eq!((cgroup.ids(), other.ids()), (vec![], vec![]));
}

/// The other way round: /proc is that of a namespace below, which does not know the process.
#[test]
fn a_proc_that_does_not_know_devgate_is_refused() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let sleeper = Sleeper::within(&cgroup);
    let pid = sleeper.pid().to_string();
    let script = r#"
        mount --make-rprivate /
        unshare --pid --fork --kill-child sh -c 'mount -t proc proc /proc; exec sleep 600' >/dev/null 2>&1 &
        keeper=$!
        until test ! -e /proc/$$/stat || ! test -e /proc/self; do sleep 0.01; done
        printf %s "$1" | "$0" hook; code=$?
        kill -KILL $keeper
        exit $code"#;
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_devgate")]);
    let run = command::run(unshare.arg(state(&pid) + CONFIG), "");
    assert!(run.failure().starts_with("/proc does not tell which process"), "{run:?}");
    assert_eq!(cgroup.ids(), []);
}

/// The hook, which strace holds up before its first look at what is attached.
fn hook_that_waits(pid: u32, meanwhile: impl FnOnce()) -> Run {
    let trace = tempfile::NamedTempFile::new().expect("a file");
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-e", "trace=bpf", "-e", "inject=bpf:delay_enter=2s:when=3", "-o"]);
    let child =
        command::start(strace.arg(trace.path()).arg(env!("CARGO_BIN_EXE_devgate")).arg("hook"));
    let input = state(&pid.to_string()) + CONFIG;
    let running = std::thread::spawn(move || finish(child, input));
    // The second call, by which time the process's cgroup is known.
    let is_done = |text: String| text.contains("BPF_OBJ_GET_INFO_BY_FD");
    while !fs::read_to_string(trace.path()).is_ok_and(is_done) && !running.is_finished() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    meanwhile();
    running.join().expect("the hook ends")
}

#[test]
fn a_process_that_is_moved_is_told_and_nothing_stays_behind() {
    if !require::bpf() || !strace() {
        return;
    }
    let (cgroup, other) = (TestCgroup::new(), TestCgroup::new());
    let process = Sleeper::within(&cgroup);
    let stale = Foreign::allowing("somebody");
    stale.attach(cgroup.open().as_fd(), 2);
    let name = || {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", process.pid())).expect("it lives");
        text.lines().find_map(|line| line.strip_prefix("0::")).expect("cgroup2").to_owned()
    };
    let from = name();
    let run = hook_that_waits(process.pid(), || other.take(process.pid()));
    let pid = process.pid();
    let to = name();
    let expected = format!("process {pid} was moved from cgroup {from} to {to} meanwhile");
    assert_eq!(run.failure(), expected);
    assert_eq!((cgroup.ids(), other.ids()), (vec![stale.id], vec![]));
}

#[test]
fn a_process_that_dies_is_told_and_nothing_stays_behind() {
    if !require::bpf() || !strace() {
        return;
    }
    let cgroup = TestCgroup::new();
    let mut process = Sleeper::within(&cgroup);
    let stale = Foreign::allowing("somebody");
    stale.attach(cgroup.open().as_fd(), 2);
    let pid = process.pid();
    let run = hook_that_waits(pid, || process.kill());
    assert_eq!(run.failure(), format!("process {pid} has exited"));
    assert_eq!(cgroup.ids(), [stale.id]);
}

fn strace() -> bool {
    require::require(Command::new("strace").arg("-V").output().is_ok(), "it needs strace")
}
