//! systemd's program for units with a DevicePolicy.

use std::fs;

use serde_json::Value;

use super::common::command::devgate;
use super::common::engine::eventually;
use super::common::systemd::{self, Booted};
use super::probe::Probe;

/// Unit, its policy, its DeviceAllow lines, and whether systemd makes a program for it.
const UNITS: [(&str, &str, &[&str], bool); 4] = [
    ("strict", "strict", &["/dev/null rw", "/dev/zero r", "char-pts rw"], true),
    ("closed", "closed", &["/dev/fuse rw", "char-pts rw", "block-loop r"], true),
    ("allowed", "auto", &["/dev/kmsg r"], true),
    ("auto", "auto", &[], false),
];

/// systemd with the units running.
fn booted() -> Booted {
    let unit = |policy: &str, allowed: &[&str]| {
        let lines: String = allowed.iter().map(|line| format!("DeviceAllow={line}\n")).collect();
        format!(
            "[Unit]\nDefaultDependencies=no\n[Service]\nDevicePolicy={policy}\n{lines}\
             ExecStart=/bin/sleep 600\n"
        )
    };
    let units = UNITS.iter().map(|(name, policy, allowed, _)| (*name, unit(policy, allowed)));
    Booted::new(&units.collect::<Vec<_>>(), "")
}

#[test]
fn its_programs_are_what_they_are_decoded_to() {
    if !systemd::ready() {
        return;
    }
    let booted = booted();
    for (name, _, _, _) in UNITS {
        let procs = booted.unit(name).join("cgroup.procs");
        eventually("the unit runs", || {
            fs::read_to_string(&procs).is_ok_and(|pids| !pids.is_empty())
        });
    }
    for (name, _, _, has_program) in UNITS {
        let cgroup = booted.unit(name);
        let run = devgate(&["inspect", "--json", cgroup.to_str().expect("text")], "");
        let report: Value = serde_json::from_str(run.success()).expect("one JSON object");
        let programs = report["programs"].as_array().expect("an array");
        let generators: Vec<&Value> =
            programs.iter().map(|program| &program["generator"]).collect();
        let expected: &[&str] = if has_program { &["systemd"] } else { &[] };
        assert_eq!(generators, expected, "{name}");
        let counts = Probe::new().assert_right_about(&cgroup);
        println!("{name}: {counts:?}");
    }
}
