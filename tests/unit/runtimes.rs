//! Containers of real runtimes, with systemd as cgroup manager.

use serde_json::json;

use super::machine::{CONFIG, Machine, ready};

/// What makes systemd attach its programs again: an engine's update sets properties.
const EVENTS: [&str; 4] = [
    "systemctl daemon-reload",
    "systemctl set-property --runtime UNIT CPUWeight=50",
    "systemctl daemon-reexec; until systemctl -q is-active UNIT; do sleep 0.05; done",
    "systemctl set-property --runtime UNIT CPUWeight=60; systemctl daemon-reload",
];

#[test]
fn with_runc_systemd_adds_no_program_to_the_unit() {
    if !ready() {
        return;
    }
    let machine = Machine::new();
    let unit = "devgate-left.scope";
    let log = machine.container("runc", "left", &["--unit", "no"]);
    assert_eq!((&log["unit"], &log["warnings"]), (&json!(null), &json!([])), "{log}");
    assert_eq!(machine.programs(unit), ["devgate"]);
    machine.sh(&EVENTS[1].replace("UNIT", unit));
    assert_eq!(machine.programs(unit), ["devgate", "sd_devices"], "systemd adds its own");
    // Its record tells that this unit is the container's: the name has no id of an engine's.
    let said = machine.sh(&format!(
        "echo '{CONFIG}' | $DEVGATE apply --cgroup /sys/fs/cgroup/system.slice/{unit} --config -"
    ));
    assert!(said.contains(&format!("the policy is the only gate of unit {unit}\n")), "{said}");
    machine.sh(&EVENTS[1].replace("UNIT", unit));
    assert_eq!(machine.programs(unit), ["devgate"]);

    let unit = "devgate-alone.scope";
    let log = machine.container("runc", "alone", &[]);
    assert_eq!((&log["unit"], &log["warnings"]), (&json!(unit), &json!([])), "{log}");
    assert_eq!(machine.property(unit, "DevicePolicy"), "auto");
    assert_eq!(machine.property(unit, "DeviceAllow"), "");
    for event in EVENTS {
        machine.sh(&event.replace("UNIT", unit));
        assert_eq!(machine.programs(unit), ["devgate"], "{event}");
    }
}

#[test]
fn with_crun_systemds_program_is_taken_off_the_unit_and_stays_away() {
    if !ready() {
        return;
    }
    let machine = Machine::with_crun();
    let unit = "devgate-left.scope";
    let log = machine.container("crun", "left", &["--unit", "no"]);
    assert_eq!(log["unit_detached"], json!([]), "{log}");
    assert_eq!(machine.programs(unit), ["sd_devices"]);
    assert_eq!(machine.programs_below(unit), ["devgate"]);

    let unit = "devgate-alone.scope";
    let log = machine.container("crun", "alone", &["--unit", "require"]);
    assert_eq!((&log["unit"], &log["warnings"]), (&json!(unit), &json!([])), "{log}");
    for event in ["true"].iter().chain(&EVENTS) {
        machine.sh(&event.replace("UNIT", unit));
        assert_eq!(machine.programs(unit), [""; 0], "{event}");
        assert_eq!(machine.programs_below(unit), ["devgate"], "{event}");
    }
    machine.sh(&format!("{} delete -f alone", machine.runtime("crun")));
    let files = "find /run/systemd/transient /run/systemd/system.control -name 'devgate-alone*'";
    assert_eq!(machine.sh(&format!("{files} 2> /dev/null || true")), "", "nothing is left");
}
