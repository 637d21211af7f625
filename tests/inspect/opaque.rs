//! Programs that can't be decoded, and programs held by a link.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use devgate::bpf::{Insn, Reg};
use serde_json::Value;

use super::common::bpf::{Foreign, map, pin};
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

const ALLOW: [Insn; 2] =
    [Insn::new(0xb7, Reg::R0, Reg::R0, 0, 1), Insn::new(0x95, Reg::R0, Reg::R0, 0, 0)];
const GET_CURRENT_UID_GID: i32 = 15;

fn call(helper: i32) -> Insn {
    insn(0x85, Reg::R0, Reg::R0, helper)
}

/// Attached after a program that denies everything.
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
    assert_eq!(report["effective"]["verdict"], "exact");
    // What another program denies is known to be denied all the same.
    let run = devgate(&["check", "--cgroup", cgroup.text(), "c 1:3 r"], "");
    assert_eq!(run.code, Some(3));
    let expected = format!("denied by {} (denying, on", denying.id);
    assert!(run.text().contains(&expected), "{}", run.text());
    program["opaque"].as_str().expect("a reason").to_owned()
}

#[test]
fn an_answer_that_a_helper_decides_is_opaque_and_the_helper_is_named() {
    if !require::bpf() {
        return;
    }
    let insns = [
        call(GET_CURRENT_UID_GID),
        insn(0x57, Reg::R0, Reg::R0, 1),
        insn(0x95, Reg::R0, Reg::R0, 0),
    ];
    let reason = reason("calls", &insns);
    assert_eq!(
        reason,
        "instruction 2: depends on what bpf_get_current_uid_gid, called by instruction 0, returns"
    );
}

#[test]
fn a_program_that_only_calls_harmless_helpers_is_decoded() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let insns = [&[call(GET_CURRENT_UID_GID)][..], &ALLOW].concat();
    Foreign::with("counts", &insns).attach(cgroup.open().as_fd(), MULTI);
    let report = inspect(&cgroup);
    assert_eq!(report["programs"][0]["opaque"], Value::Null);
    assert_eq!(report["programs"][0]["retval"], Value::Null);
    assert_eq!(report["effective"]["rules"][0]["allow"], true);
    let run = devgate(&["inspect", "--asm", cgroup.text()], "");
    assert!(run.success().contains(": call bpf_get_current_uid_gid#"), "{}", run.text());
    devgate(&["check", "--cgroup", cgroup.text(), "c 1:3 r"], "").success();
}

#[test]
fn a_map_that_makes_no_difference_is_no_matter() {
    if !require::bpf() {
        return;
    }
    let map = map();
    let pseudo_map_fd = Reg::R1;
    let insns = [
        &[insn(0x18, Reg::R2, pseudo_map_fd, map.as_raw_fd()), insn(0x00, Reg::R0, Reg::R0, 0)][..],
        &ALLOW,
    ]
    .concat();
    let cgroup = TestCgroup::new();
    Foreign::with("maps", &insns).attach(cgroup.open().as_fd(), MULTI);
    assert_eq!(inspect(&cgroup)["programs"][0]["opaque"], Value::Null);
}

/// An array's value decides: what it holds may change at any time.
#[test]
fn a_map_lookup_is_opaque() {
    if !require::bpf() {
        return;
    }
    const MAP_LOOKUP_ELEM: i32 = 1;
    let (map, r1, r2, r10) = (map(), Reg::from_number(1), Reg::R2, Reg::R10);
    let r1 = r1.expect("there is an r1");
    let insns = [
        insn(0xb7, Reg::R0, Reg::R0, 0),
        Insn::new(0x63, r10, Reg::R0, -4, 0),
        insn(0x18, r1, Reg::R1, map.as_raw_fd()),
        insn(0x00, Reg::R0, Reg::R0, 0),
        insn(0xbf, r2, r10, 0),
        insn(0x07, r2, Reg::R0, -4),
        call(MAP_LOOKUP_ELEM),
        Insn::new(0x15, Reg::R0, Reg::R0, 2, 0),
        Insn::new(0x61, Reg::R0, Reg::R0, 0, 0),
        insn(0x57, Reg::R0, Reg::R0, 1),
        insn(0x95, Reg::R0, Reg::R0, 0),
    ];
    let reason = reason("maps", &insns);
    assert!(reason.contains(": depends on what instruction "), "{reason}");
}

/// A bpffs of the test's own, in a directory that goes with it.
struct BpfFs(PathBuf);

impl BpfFs {
    fn new() -> BpfFs {
        let dir = std::env::temp_dir().join(format!("devgate-test-bpffs-{}", std::process::id()));
        fs::create_dir(&dir).expect("a directory can be made");
        let none = None::<&str>;
        nix::mount::mount(none, &dir, Some("bpf"), nix::mount::MsFlags::empty(), none)
            .expect("a bpffs can be mounted");
        BpfFs(dir)
    }

    fn pin(&self, name: &str, object: impl AsFd) -> PathBuf {
        let path = self.0.join(name);
        let text = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        pin(object.as_fd(), &text);
        path
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        // Lazily: an inspect of a neighbouring test may be looking through it.
        let lazily = nix::mount::MntFlags::MNT_DETACH;
        nix::mount::umount2(&self.0, lazily).expect("the bpffs can be unmounted");
        fs::remove_dir(&self.0).expect("the directory is empty");
    }
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
