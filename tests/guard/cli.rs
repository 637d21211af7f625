//! `devgate guard` as a process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, Command};

use devgate::guard_lock::GuardLock;
use devgate::kernel::detach;
use devgate::run_dir::RunDir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::common::bpf::Foreign;
use super::common::command::{command, devgate, start};
use super::common::opener::serve_if_child;
use super::common::require;
use super::stage::Container;

/// A guard that runs, and is told to end when this is dropped.
pub struct Running {
    child: Child,
    pub lines: BufReader<ChildStderr>,
}

impl Running {
    pub fn new(args: &[&str]) -> Running {
        Running::of(&mut command(&[&["guard"], args].concat()))
    }

    pub fn of(command: &mut Command) -> Running {
        let mut child = start(command);
        let lines = BufReader::new(child.stderr.take().expect("it is a pipe"));
        let mut running = Running { child, lines };
        let line = running.line();
        assert!(line.starts_with("devgate: guards "), "{line}");
        running
    }

    /// The next line that it writes, which it may have to be waited for.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it can be read");
        line
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it runs");
        self.child.wait().expect("it can be waited for").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Not killed: `timeout`, below which it may run, would leave it behind.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

fn lose_copy(container: &Container) {
    let id = container.entries()[0];
    detach(container.cgroup.open().as_fd(), id).expect("the copy can be detached");
}

#[test]
fn it_mends_and_tells_until_it_is_told_to_end() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "cli::it_mends_and_tells_until_it_is_told_to_end";
    let mut container = Container::new("c1", test, &["--hold", "require"]);
    let mut guard = Running::new(&["--found", "none"]);
    lose_copy(&container);
    let line = guard.line();
    let program = container.assert_held();
    let expected = format!(
        " devgate restored container=c1 cgroup={} found=\"the policy's program is not in the \
         cgroup's list\" program={program} insns=",
        container.cgroup.path().display()
    );
    assert!(line.contains(&expected), "{line}");
    assert_eq!(guard.end(Signal::SIGTERM), Some(0));
    // What it held in force stays so.
    container.assert_held();
}

#[test]
fn one_guard_runs_at_a_time() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let run = RunDir::open().expect("it can be used");
    let first = Running::new(&["--found", "none"]);
    assert!(GuardLock::is_held(&run).expect("it can be asked"));
    for args in [&["guard"][..], &["guard", "--once"]] {
        let second = devgate(args, "");
        let held = "another guard runs: it holds /run/devgate/guard.lock";
        assert_eq!(second.failure(), held);
    }
    // However it ends, the next one can run.
    assert_eq!(first.end(Signal::SIGKILL), None);
    assert!(!GuardLock::is_held(&run).expect("it can be asked"));
    devgate(&["guard", "--once", "--found", "none"], "").success();
}

#[test]
fn one_look_mends_and_logs_as_json() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "cli::one_look_mends_and_logs_as_json";
    let mut container = Container::new("c1", test, &["--hold", "require"]);
    let log = container.bundle().join("guard.log");
    let log = log.to_str().expect("a path of text");
    let once = ["guard", "--once", "--found", "none", "--log", log, "--log-format", "json"];
    devgate(&once, "").success();
    assert_eq!(fs::read_to_string(log).expect("the log is made"), "");
    lose_copy(&container);
    devgate(&once, "").success();
    let program = container.assert_held();
    let line = fs::read_to_string(log).expect("it can be read");
    let line: serde_json::Value = serde_json::from_str(&line).expect("one line of JSON");
    assert_eq!(line["result"], "restored");
    assert_eq!(line["container"], "c1");
    assert_eq!(line["program"], program.number());
    assert_eq!(line["found"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_look_that_fails_says_so() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "cli::a_look_that_fails_says_so";
    let container = Container::new("c1", test, &[]);
    fs::write(super::stage::records().path(&container.id()), "{").expect("it can be written");
    let run = devgate(&["guard", "--once", "--found", "none"], "");
    assert_eq!((run.code, run.text()), (Some(1), ""));
    let part = " devgate failed container=c1 error=\"/run/devgate/containers/c1.json is damaged: ";
    assert!(run.stderr.contains(part), "{run:?}");
}

/// What stays decides as well, and may deny what the policy allows.
#[test]
fn a_program_that_stays_is_a_failure_of_the_look() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "cli::a_program_that_stays_is_a_failure_of_the_look";
    let container = Container::new("c1", test, &["--hold", "require"]);
    let foreign = Foreign::allowing("theirs");
    let link = foreign.link(container.cgroup.open().as_fd());
    let run = devgate(&["guard", "--once", "--found", "none"], "");
    assert!(run.stderr.contains(" devgate restored container=c1 "), "{run:?}");
    let left = format!(" left=\"{} is held by a bpf_link\"", foreign.id);
    assert!(run.stderr.contains(&left), "{run:?}");
    assert_eq!(run.code, Some(1), "{run:?}");
    drop(link);
}

#[test]
fn a_log_that_cannot_be_used_is_an_error_at_once() {
    if !require::bpf() {
        return;
    }
    let run = devgate(&["guard", "--log", "/tmp/guard.log"], "");
    let error = run.failure();
    assert!(error.starts_with("log /tmp/guard.log is not safe to write"), "{error}");
}
