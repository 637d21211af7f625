//! A process that is none any more, or never was.

use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::require;
use super::common::sleeper::Sleeper;

fn hook(pid: u32) -> String {
    let state = format!(r#"{{"id":"c1","pid":{pid},"bundle":"/no/bundle"}}{{}}"#);
    devgate(&["hook"], state).failure().to_owned()
}

#[test]
fn one_that_never_was() {
    let beyond_pid_max = 1 << 30;
    assert_eq!(hook(beyond_pid_max), format!("process {beyond_pid_max} does not exist"));
}

#[test]
fn a_dead_one() {
    let sleeper = Sleeper::new();
    let pid = sleeper.pid();
    drop(sleeper);
    assert_eq!(hook(pid), format!("process {pid} does not exist"));
}

#[test]
fn a_zombie() {
    let mut sleeper = Sleeper::new();
    sleeper.kill();
    let pid = sleeper.pid();
    assert_eq!(hook(pid), format!("process {pid} has exited"));
}

#[test]
fn a_zombie_whose_cgroup_is_gone() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let mut sleeper = Sleeper::within(&cgroup);
    sleeper.kill();
    cgroup.remove().expect("a cgroup of zombies can be removed");
    let pid = sleeper.pid();
    assert_eq!(hook(pid), format!("process {pid} has exited"));
}

/// The id of a thread is not that of a process.
#[test]
fn a_thread() {
    let thread = nix::unistd::gettid().as_raw().cast_unsigned();
    if thread == std::process::id() {
        // The harness ran this test in its main thread.
        return;
    }
    assert_eq!(hook(thread), format!("process {thread} does not exist"));
}

#[test]
fn inspect_says_the_same() {
    let mut sleeper = Sleeper::new();
    sleeper.kill();
    let pid = sleeper.pid().to_string();
    let run = devgate(&["inspect", "--pid", &pid], "");
    assert_eq!(run.failure(), format!("process {pid} has exited"));
}
