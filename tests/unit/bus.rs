//! A bus that is not there, or that does not answer.

use std::time::{Duration, Instant};

use serde_json::json;

use super::machine::{Machine, apply, ready, scope};

const STOP: &str = "systemctl stop dbus.socket dbus.service";

/// A socket that takes connections and says nothing.
const MUTE: &str = "printf '[Unit]\\nDefaultDependencies=no\\n[Socket]\\n\
                    ListenStream=/run/dbus/system_bus_socket\\n' > /run/systemd/system/mute.socket; \
                    printf '[Service]\\nExecStart=/bin/sleep 600\\n' \
                      > /run/systemd/system/mute.service; \
                    systemctl daemon-reload; systemctl start mute.socket";

#[test]
fn without_a_bus_the_container_starts_with_a_warning_or_not_at_all() {
    if !ready() {
        return;
    }
    let machine = Machine::new();
    machine.sh(STOP);
    let log = machine.container("runc", "tried", &[]);
    assert_eq!(log["unit"], json!(null), "{log}");
    let warning = log["warnings"][0].as_str().expect("a warning");
    assert!(
        warning.starts_with(
            "systemd may attach a program of its own to unit devgate-tried.scope at any time: the \
             D-Bus system bus, which leads to systemd, can't be used: "
        ),
        "{warning}"
    );
    assert_eq!(machine.programs("devgate-tried.scope"), ["devgate"]);
    let output = machine.create("runc", "required", &["--unit", "require"]);
    assert!(!output.status.success());
    assert!(!machine.cgroup("devgate-required.scope").exists());
}

/// runc itself would wait for it, so the unit is there before.
#[test]
fn a_bus_that_does_not_answer_is_given_up() {
    if !ready() {
        return;
    }
    let machine = Machine::new();
    let unit = scope(&machine, "-p DevicePolicy=strict -p 'DeviceAllow=/dev/null rw'");
    machine.sh(STOP);
    machine.sh(MUTE);
    let start = Instant::now();
    let said = machine.fails(&apply(&unit, "--unit require"));
    // The promise is two seconds for a conversation; the rest is for a machine under load.
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(said.contains("(--unit require): systemd did not answer within 2 s"), "{said}");
    assert_eq!(machine.programs(&unit), ["sd_devices"]);
    assert_eq!(machine.programs_below(&unit), [""; 0]);
    let output = machine.output(&apply(&unit, ""));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("did not answer within 2 s"), "{said}");
    let other = format!("(sd_devices) on /sys/fs/cgroup/system.slice/{unit} also decides");
    assert!(said.contains(&other), "{said}");
    assert_eq!(machine.programs_below(&unit), ["devgate"]);
}
