//! The package's unit, with all that it forbids, below a systemd of the test's own.

use std::fs;
use std::os::fd::AsFd;

use devgate::cgroup::Cgroup;
use devgate::kernel::{ProgId, detach, query};

use super::common::engine::{DEVGATE, eventually};
use super::common::systemd::{self, Booted};

const UNIT: &str = include_str!("../../packaging/systemd/devgate-guard.service");

/// A container, as far as devgate is concerned.
const CONTAINER: &str =
    "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep 600\nDevicePolicy=auto\n";

/// The hook of the container, which nothing but this test runs.
const HOOK: &str = "[Unit]\nDefaultDependencies=no\nAfter=container.service\n[Service]\n\
Type=oneshot\nExecStart=/bin/sh -e /bundle/hook\n";

/// What that is. Then somebody removes the pin.
const SET_UP: &str = r#"
install -D -m 0755 @DEVGATE@ usr/bin/devgate
mkdir bundle
cat > bundle/hook <<'END'
until read -r pid < /sys/fs/cgroup/system.slice/container.service/cgroup.procs; do sleep 0.1; done
echo '{"id":"c1","pid":'"$pid"',"bundle":"/bundle"} {}' | devgate hook --hold require --unit no
rm /sys/fs/bpf/devgate/*
END
"#;

#[test]
fn the_packages_unit_lets_the_guard_do_its_work() {
    if !systemd::ready() {
        return;
    }
    let guard = UNIT.replacen("[Unit]\n", "[Unit]\nDefaultDependencies=no\n", 1);
    let units =
        [("container", CONTAINER.to_owned()), ("hook", HOOK.to_owned()), ("devgate-guard", guard)];
    let booted = Booted::new(&units, &SET_UP.replace("@DEVGATE@", DEVGATE));
    let path = booted.unit("container");
    let runs = |name: &str| {
        let procs = booted.unit(name).join("cgroup.procs");
        fs::read_to_string(procs).is_ok_and(|pids| !pids.is_empty())
    };
    eventually("the container runs", || runs("container"));
    eventually("the guard runs", || runs("devgate-guard"));
    let cgroup = Cgroup::open(&path).expect("the container runs");
    let entries = || query(cgroup.as_fd()).expect("programs can be listed").ids;
    let is_held = |entries: &[ProgId]| matches!(entries, [copy, link] if copy == link);
    // The pin that was removed is made again.
    eventually("the guard has made a link", || is_held(&entries()));
    detach(cgroup.as_fd(), entries()[0]).expect("the copy can be detached");
    eventually("the guard has put the copy back", || is_held(&entries()));
    assert!(runs("devgate-guard"));
}
