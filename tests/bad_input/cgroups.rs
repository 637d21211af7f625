//! Directories that are no cgroups, or not any more.

use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::require;

fn commands(dir: &str) -> [Vec<&str>; 3] {
    [
        vec!["apply", "--cgroup", dir, "--config", "-"],
        vec!["inspect", "--cgroup", dir],
        vec!["detach", "--cgroup", dir, "--id", "1"],
    ]
}

fn fail(dir: &str, expected: &str) {
    for args in commands(dir) {
        assert_eq!(devgate(&args, "{}").failure(), expected, "{args:?}");
    }
}

#[test]
fn a_missing_one() {
    let dir = "/sys/fs/cgroup/no/such/cgroup";
    fail(dir, &format!("cgroup {dir} does not exist (any more)"));
}

#[test]
fn one_that_was_removed() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    cgroup.remove().expect("it is empty");
    let dir = cgroup.text();
    fail(dir, &format!("cgroup {dir} does not exist (any more)"));
}

#[test]
fn another_directory() {
    fail("/proc", "/proc is not a cgroup2 directory");
    fail("/", "/ is not a cgroup2 directory");
}

#[test]
fn no_directory() {
    fail("/dev/null", "cgroup /dev/null can't be opened: Not a directory (os error 20)");
}

#[test]
fn control_characters_come_out_escaped() {
    fail("/no\n\u{1b}[31m", r"cgroup /no\n\u{1b}[31m does not exist (any more)");
}
