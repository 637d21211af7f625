//! Units that are not a container's own are left as they are.

use super::machine::{CONFIG, ID, Machine, ready};

const STRICT: &str = "-p DevicePolicy=strict -p 'DeviceAllow=/dev/null rw'";

#[track_caller]
fn assert_is_left(machine: &Machine, cgroup: &str, unit: &str, why: &str) {
    let apply =
        format!("echo '{CONFIG}' | $DEVGATE apply --cgroup /sys/fs/cgroup/{cgroup} --config -");
    let said = machine.fails(&format!("{apply} --unit require"));
    assert!(said.contains(why), "{said}");
    let output = machine.output(&apply);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(why), "{said}");
    assert_eq!(machine.programs(unit), ["sd_devices"], "{why}");
    assert_eq!(machine.property(unit, "DevicePolicy"), "strict", "{why}");
}

#[test]
fn a_unit_with_other_processes_is_left() {
    if !ready() {
        return;
    }
    let machine = Machine::new();
    let unit = format!("libpod-{ID}.scope");
    machine.sh(&format!(
        "scope {unit} {STRICT}; sleep 600 < /dev/null > /dev/null 2>&1 & \
         mkdir $dir/other; echo $! > $dir/other/cgroup.procs"
    ));
    let cgroup = format!("system.slice/{unit}/container");
    let why = format!(
        "unit {unit} is left as it is: cgroup /sys/fs/cgroup/system.slice/{unit}/other has processes \
         that are not the container's"
    );
    assert_is_left(&machine, &cgroup, &unit, &why);
}

#[test]
fn a_unit_from_a_file_is_left() {
    if !ready() {
        return;
    }
    let name = format!("container-{ID}");
    let service = "[Unit]\nDefaultDependencies=no\n[Service]\nDelegate=yes\nDevicePolicy=strict\n\
                   DeviceAllow=/dev/null rw\nExecStart=/bin/sleep 600\n";
    let machine = Machine::with_services(&[(&name, service.to_owned())]);
    let unit = format!("{name}.service");
    let cgroup = format!("system.slice/{unit}/libpod-payload-{ID}");
    machine.sh(&format!(
        "cd /sys/fs/cgroup; mkdir {cgroup}; \
         for pid in $(cat system.slice/{unit}/cgroup.procs); do echo $pid > {cgroup}/cgroup.procs; done"
    ));
    let why = format!("unit {unit} is left as it is: it comes from a unit file");
    assert_is_left(&machine, &cgroup, &unit, &why);
}

/// As in a container that has a systemd of its own: its units have the names that its engine
/// chose, and a unit of the host's may have the same.
#[test]
fn a_unit_of_another_systemd_is_left() {
    if !ready() {
        return;
    }
    let machine = Machine::new();
    let unit = format!("libpod-{ID}.scope");
    machine.sh(&format!("scope {unit} {STRICT}"));
    let cgroup = format!("inner.slice/{unit}/container");
    machine.sh(&format!("mkdir -p /sys/fs/cgroup/{cgroup}"));
    let why = format!(
        "unit {unit} is not of this machine's systemd: the container's is cgroup /inner.slice/{unit}, \
         and systemd's is /system.slice/{unit}"
    );
    assert_is_left(&machine, &cgroup, &unit, &why);
    machine.sh(&format!(
        "systemctl stop {unit}; find /sys/fs/cgroup/inner.slice -depth -type d -delete"
    ));
}
