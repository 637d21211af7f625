//! The settings of a unit, and that they are restored.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use devgate::cgroup::Cgroup;

use super::common::bpf::{Foreign, pin};
use super::machine::{Machine, apply, ready, scope};

#[test]
fn a_bpf_program_of_the_unit_is_taken_off_and_stays_away() {
    if !ready() {
        return;
    }
    let machine = Machine::new();
    // As crun 1.28 pins its program.
    let program = Foreign::allowing("runtimes");
    let path = machine.file("/sys/fs/bpf/runtimes");
    pin(program.fd.as_fd(), &CString::new(path.as_os_str().as_bytes()).expect("no NUL"));
    let unit = scope(&machine, "-p BPFProgram=device:/sys/fs/bpf/runtimes");
    assert_eq!(machine.programs(&unit), ["runtimes"]);
    let said = machine.sh(&apply(&unit, "--unit require"));
    assert!(said.contains(&format!("the policy is the only gate of unit {unit}\n")), "{said}");
    for event in ["true", "systemctl daemon-reload", "systemctl daemon-reexec; sleep 0.2"] {
        machine.sh(event);
        assert_eq!(machine.programs(&unit), [""; 0], "{event}");
        assert_eq!(machine.programs_below(&unit), ["devgate"], "{event}");
    }
    assert_eq!(machine.property(&unit, "BPFProgram"), "");
    // crun compares its pin with what it would load.
    assert!(path.exists());
    machine.sh(&format!("systemctl stop {unit}"));
    let files = format!("ls -d /run/systemd/transient/{unit}* 2> /dev/null || true");
    assert_eq!(machine.sh(&files), "", "systemd removes the drop-in with the unit");
}

/// A program that a link holds can't be taken off.
#[test]
fn what_cannot_be_taken_off_is_named_and_with_require_all_is_restored() {
    if !ready() {
        return;
    }
    let machine = Machine::new();
    let unit = scope(&machine, "-p DevicePolicy=strict -p 'DeviceAllow=/dev/null rw'");
    let top = Cgroup::open(&machine.cgroup(&unit)).expect("it is there");
    let below = Cgroup::open(&machine.cgroup(&unit).join("container")).expect("it is there");
    let linked = Foreign::allowing("linked");
    let link = linked.link(top.as_fd());
    let runtimes = Foreign::allowing("runtimes");
    runtimes.attach(below.as_fd(), 2);

    let said = machine.fails(&apply(&unit, "--unit require"));
    let expected = format!(
        "devgate: devgate's policy is not the only gate of unit {unit} (--unit require): program {} \
         (linked) on /sys/fs/cgroup/system.slice/{unit} also decides: program {0} is held by a \
         bpf_link, which only its owner can detach\n",
        linked.id
    );
    assert_eq!(said, expected);
    assert_eq!(machine.programs_below(&unit), ["runtimes"]);
    let mut names = machine.programs(&unit);
    names.sort();
    assert_eq!(names, ["linked", "sd_devices"]);
    assert_eq!(machine.property(&unit, "DevicePolicy"), "strict");
    assert_eq!(machine.property(&unit, "DeviceAllow"), "/dev/null rw");
    assert!(
        !machine.file("/sys/fs/bpf/devgate").join(below.id().expect("an id").to_string()).exists()
    );

    let output = machine.output(&apply(&unit, ""));
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("warning: program") && said.contains("also decides"), "{said}");
    assert_eq!(machine.programs_below(&unit), ["devgate"]);
    assert_eq!(machine.programs(&unit), ["linked"]);
    drop(link);
}

#[test]
fn a_unit_that_was_restored_is_limited_by_systemd_as_before() {
    if !ready() {
        return;
    }
    let machine = Machine::new();
    let unit = scope(&machine, "-p DevicePolicy=strict -p 'DeviceAllow=/dev/null rw'");
    let below = Cgroup::open(&machine.cgroup(&unit).join("container")).expect("it is there");
    let foreign = Foreign::allowing("linked");
    let _link = foreign.link(below.as_fd());
    machine.fails(&apply(&unit, "--unit require"));
    assert_eq!(machine.programs(&unit), ["sd_devices"]);
    for event in ["daemon-reload", &format!("set-property --runtime {unit} CPUWeight=50")] {
        machine.sh(&format!("systemctl {event}"));
        assert_eq!(machine.programs(&unit), ["sd_devices"], "{event}");
    }
}
