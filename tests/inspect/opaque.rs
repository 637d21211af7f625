//! Programs that can't be decoded, and programs held by a link.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use devgate::bpf::{Insn, Reg};
use serde_json::Value;

use super::common::bpf::{Foreign, map};
use super::common::bpffs::BpfFs;
use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::require;

const MULTI: u32 = 2;

fn insn(code: u8, dst: Reg, src: Reg, imm: i32) -> Insn {
    Insn::new(code, dst, src, 0, imm)
}

fn inspect(cgroup: &TestCgroup) -> Value {
    let run = devgate(&["inspect", "--json", "--cgroup", cgroup.text()], "");
    serde_json::from_str(run.success()).expect("one JSON object")
}

/// Attached beside a program that denies everything.
fn reason(name: &str, insns: &[Insn]) -> String {
    let cgroup = TestCgroup::new();
    let opaque = Foreign::with(name, insns);
    let denying = Foreign::denying("denying");
    denying.attach(cgroup.open().as_fd(), MULTI);
    opaque.attach(cgroup.open().as_fd(), MULTI);
    let report = inspect(&cgroup);
    let program = &report["programs"][1];
    assert_eq!(program["name"], name);
    assert_eq!(program.get("rules"), None);
    assert_eq!(report["effective"]["unknown"][0], program["id"]);
    assert_eq!(report["effective"]["rules"], Value::Array(Vec::new()));
    // What another program denies is known to be denied all the same.
    let run = devgate(&["check", "--cgroup", cgroup.text(), "c 1:3 r"], "");
    assert_eq!(run.code, Some(3));
    let expected = format!("denied by {} (denying, on", denying.id);
    assert!(run.text().contains(&expected), "{}", run.text());
    program["opaque"].as_str().expect("a reason").to_owned()
}

#[test]
fn a_helper_call_is_named() {
    if !require::bpf() {
        return;
    }
    const GET_CURRENT_UID_GID: i32 = 15;
    let insns = [
        insn(0x85, Reg::R0, Reg::R0, GET_CURRENT_UID_GID),
        insn(0xb7, Reg::R0, Reg::R0, 1),
        insn(0x95, Reg::R0, Reg::R0, 0),
    ];
    let reason = reason("calls", &insns);
    // The kernel has put an address in place of the number.
    assert!(reason.starts_with("instruction 0: calls a helper function"), "{reason}");
}

#[test]
fn a_map_lookup_is_named() {
    if !require::bpf() {
        return;
    }
    let map = map();
    let pseudo_map_fd = Reg::R1;
    let insns = [
        insn(0x18, Reg::R2, pseudo_map_fd, map.as_raw_fd()),
        insn(0x00, Reg::R0, Reg::R0, 0),
        insn(0xb7, Reg::R0, Reg::R0, 1),
        insn(0x95, Reg::R0, Reg::R0, 0),
    ];
    let reason = reason("maps", &insns);
    assert_eq!(reason, "instruction 0: refers to a map or another kernel object");
}

#[test]
fn a_link_and_its_pin_are_shown() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let bpffs = BpfFs::new();
    let program = Foreign::allowing("linked");
    let link = program.link(cgroup.open().as_fd());
    let pin = bpffs.pin("of-the-test", &link);
    let report = inspect(&cgroup);
    let held = &report["programs"][0]["link"];
    assert!(held["id"].as_u64().is_some_and(|id| id > 0), "{held}");
    assert_eq!(held["pin"].as_str().map(Path::new), Some(pin.as_path()));
    let run = devgate(&["inspect", cgroup.text()], "");
    let expected = format!("by link {} at {}", held["id"], pin.display());
    assert!(run.success().contains(&expected), "{}", run.text());
    fs::remove_file(pin).expect("the pin can be removed");
}
