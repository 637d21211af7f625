//! Where no unit was made for the container, neither systemd nor a bus is touched.

use std::fs;
use std::process::Command;

use super::common::cgroup::TestCgroup;
use super::common::engine::{DEVGATE, find};
use super::common::require::{bpf, require};
use super::machine::CONFIG;

/// The system calls of `devgate apply` on a cgroup of a test's.
fn calls(cgroup: &TestCgroup, options: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let (config, trace) = (dir.path().join("config.json"), dir.path().join("trace"));
    fs::write(&config, CONFIG).expect("a file can be made");
    let output = Command::new("strace")
        .args(["--follow-forks", "--output"])
        .args([&trace])
        .args([DEVGATE, "apply", "--cgroup", cgroup.text(), "--config"])
        .args([&config])
        .args(options)
        .output();
    assert!(output.is_ok_and(|output| output.status.success()));
    let trace = fs::read_to_string(trace).expect("strace writes it");
    trace.lines().map(str::to_owned).collect()
}

#[test]
fn not_one_system_call_is_made_for_it() {
    if !bpf() || !require(find("strace").is_some(), "strace is missing") {
        return;
    }
    let cgroup = TestCgroup::new();
    // The first one makes a link, which the others update.
    calls(&cgroup, &["--unit", "no"]);
    let (without, with) = (calls(&cgroup, &["--unit", "no"]), calls(&cgroup, &[]));
    assert_eq!(without.len(), with.len(), "{with:#?}");
    let touched = with.iter().filter(|call| {
        ["/run/systemd", "dbus", "socket(", "connect(", "clone"]
            .iter()
            .any(|word| call.contains(word))
    });
    assert_eq!(touched.collect::<Vec<_>>(), [""; 0]);
}
