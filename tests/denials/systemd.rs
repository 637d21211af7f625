//! The package's unit, with all that it forbids, below a systemd of the test's own.

use serde_json::Value;

use super::common::command::{Run, run};
use super::common::engine::{DEVGATE, eventually};
use super::common::require::require;
use super::common::systemd::{self, Booted};

const UNIT: &str = include_str!("../../packaging/systemd/devgate-observe.service");

/// What asks three times for a device that systemd's own program denies.
const CONTAINER: &str = "[Unit]\nDefaultDependencies=no\nAfter=devgate-observe.service\n[Service]\n\
DevicePolicy=closed\n\
ExecStart=/bin/sh -c 'for i in 1 2 3; do (: < /dev/fuse); done; exec sleep 600'\n";

const SET_UP: &str = "install -D -m 0755 @DEVGATE@ usr/bin/devgate\n";

#[test]
fn the_packages_unit_observes_until_it_is_stopped() {
    let fuse = std::path::Path::new("/dev/fuse").exists();
    if !(systemd::ready() && require(fuse, "there is no /dev/fuse")) {
        return;
    }
    let observe = UNIT.replacen("[Unit]\n", "[Unit]\nDefaultDependencies=no\n", 1);
    let units = [("container", CONTAINER.to_owned()), ("devgate-observe", observe)];
    let booted = Booted::new(&units, &SET_UP.replace("@DEVGATE@", DEVGATE));
    let in_it = |program: &str, args: &[&str]| -> Run {
        run(booted.command("container", program).args(args), "")
    };
    eventually("the container runs", || {
        std::fs::read_to_string(booted.unit("container").join("cgroup.procs"))
            .is_ok_and(|pids| !pids.is_empty())
    });
    let fuse = || {
        let denials = in_it("devgate", &["denials", "--json"]);
        let denials: Value = serde_json::from_slice(&denials.stdout).unwrap_or_default();
        let rows = denials["denials"].as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row["device"] == "/dev/fuse")
    };
    eventually("its denials are counted", || fuse().is_some_and(|row| row["count"] == 3));
    let row = fuse().expect("it is counted");
    assert_eq!(row["cgroup"], "/sys/fs/cgroup/system.slice/container.service");
    assert_eq!((&row["container"], &row["program_cgroup"]), (&Value::Null, &row["cgroup"]));
    let state = in_it("systemctl", &["is-active", "devgate-observe"]);
    assert_eq!(state.success(), "active\n");

    in_it("systemctl", &["reload", "devgate-observe"]).success();
    assert!(fuse().is_some_and(|row| row["count"] == 3), "a reload begins nothing anew");
    in_it("systemctl", &["stop", "devgate-observe"]).success();
    let status = in_it("devgate", &["observe", "status"]);
    assert_eq!(status.code, Some(3), "{status:?}");
    eventually("the observer is gone", || {
        let listed = in_it("devgate", &["ls"]);
        !listed.text().contains("observe_devgate")
    });
}
