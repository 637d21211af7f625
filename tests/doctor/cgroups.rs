//! cgroup2 here, there and nowhere, each in a mount namespace of its own.

use std::process::Command;

use super::common::cgroup::own;
use super::common::command::run;
use super::common::require;
use super::report::{Report, after};

const UNIFIED: &str = "umount -R /sys/fs/cgroup; mount -t cgroup2 x /sys/fs/cgroup";

#[test]
fn unified_is_healthy() {
    if !require::bpf() {
        return;
    }
    let report = Report::after(UNIFIED, &["cgroup"]);
    report.expect("cgroup/hierarchy", "ok", "unified: ");
    assert_eq!(report.level(), "ok");
}

/// Wherever the host has it; findmnt reads the mounts on its own.
#[test]
fn the_hosts_own_way() {
    if !require::bpf() {
        return;
    }
    let targets = |kind: &str| {
        let mut findmnt = Command::new("findmnt");
        let run = run(findmnt.args(["--noheadings", "--output", "TARGET", "--types", kind]), "");
        run.text()
            .lines()
            .map(|line| line.trim_start_matches(['├', '─', '└', '│', ' ']).to_owned())
            .collect::<Vec<_>>()
    };
    let (v2, v1) = (targets("cgroup2"), targets("cgroup"));
    let report = Report::here(&["cgroup"]);
    let (level, beginning) = match (v2.iter().any(|at| at == "/sys/fs/cgroup"), v1.is_empty()) {
        (true, _) => ("ok", "unified: ".to_owned()),
        (false, false) => ("degraded", format!("hybrid: cgroup2 is mounted on {} ", v2[0])),
        (false, true) => ("degraded", format!("cgroup2 is mounted on {},", v2[0])),
    };
    report.expect("cgroup/hierarchy", level, &beginning);
    let found = format!("this process was found in {}", own().expect("cgroup2").display());
    assert_eq!(report.said("cgroup/lookup"), ("ok", found.as_str()));
}

#[test]
fn where_no_engine_looks_is_degraded() {
    if !require::bpf() {
        return;
    }
    let report =
        Report::after(r#"umount -R /sys/fs/cgroup; mount -t cgroup2 x "$DIR""#, &["cgroup"]);
    report.expect("cgroup/hierarchy", "degraded", "cgroup2 is mounted on /");
    report.expect("cgroup/lookup", "ok", "this process was found in /");
}

#[test]
fn nowhere_is_broken() {
    if !require::bpf() {
        return;
    }
    let hidden = format!("{UNIFIED}\nmount -t tmpfs x /sys/fs/cgroup");
    for script in ["umount -R /sys/fs/cgroup", hidden.as_str()] {
        let report = Report::after(script, &[]);
        report.expect("cgroup/hierarchy", "broken", "no cgroup file system is mounted");
        report.expect("cgroup/lookup", "broken", "this process has no cgroup2 directory: ");
        assert_eq!(report.level(), "broken");
    }
}

/// The name of a place may hold anything.
#[test]
fn a_line_stays_one_line() {
    if !require::bpf() {
        return;
    }
    let script = r#"umount -R /sys/fs/cgroup; odd="$DIR/a
b"; mkdir "$odd"; mount -t cgroup2 x "$odd""#;
    let run = after(script, &["cgroup"]);
    let lines: Vec<&str> = run.text().lines().collect();
    assert_eq!(lines.len(), 2, "{run:?}");
    assert!(lines.iter().all(|line| line.contains(r"/a\nb")), "{run:?}");
}
