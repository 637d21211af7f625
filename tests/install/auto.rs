//! Every engine that is installed.

use super::machine::{BINARY, Machine};

const USR: &str = "/usr/share/containers/oci/hooks.d/devgate.json";
const ETC: &str = "/etc/containers/oci/hooks.d/devgate.json";

#[test]
fn engines_are_found_by_their_programs() {
    let machine = Machine::new();
    let run = machine.install(&["auto"]);
    assert_eq!(
        run.failure(),
        format!("no container engine is installed below {}", machine.prefix())
    );
    machine.write("/usr/bin/podman", "", 0o755);
    machine.install(&["auto"]).success();
    assert!(machine.has(USR) && !machine.has(ETC));
    machine.write("/usr/local/bin/crio", "", 0o755);
    machine.install(&["auto"]).success();
    // podman and CRI-O both read that one.
    assert!(machine.has(USR) && !machine.has(ETC));
    machine.install(&["cdi"]).success();
    machine.uninstall(&["auto", "--binary", BINARY]).success();
    assert_eq!(machine.files().len(), 3);
}

/// One that can't be done stops no other, and is a failure in the end.
#[test]
fn engines_do_not_stop_each_other() {
    let machine = Machine::new();
    for program in ["podman", "crio"] {
        machine.write(&format!("/usr/bin/{program}"), "", 0o755);
    }
    machine.write("/etc/containers/containers.conf", "[engine]\nhooks_dir = []\n", 0o644);
    let run = machine.install(&["auto"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.complaint(), "podman: podman's configuration turns hooks off (hooks_dir = [])");
    assert!(machine.has(USR));
    machine.install(&["auto", "--among", "crio,containerd"]).success();
}

#[test]
fn what_has_no_program_can_not_be_found() {
    let run = Machine::new().install(&["auto", "--among", "cdi"]);
    assert_eq!(run.code, Some(2), "{run:?}");
}

/// Nor does what is left of an engine that is not there.
#[test]
fn a_broken_configuration_stops_no_other_engines_removal() {
    let machine = Machine::new();
    machine.install(&["podman"]).success();
    machine.write("/etc/crio/crio.conf", "[crio", 0o644);
    let run = machine.uninstall(&["auto", "--binary", BINARY, "--remove-binary"]);
    assert!(!machine.has(USR));
    assert_eq!(run.code, Some(0), "{run:?}");
    let why = "/etc/crio/crio.conf is not TOML: line 1: ";
    assert!(run.complaint().starts_with(&format!("crio: {why}")), "{run:?}");
    // Nobody can tell whether it is named there.
    assert!(run.text().contains(&format!("{BINARY} stays: crio: {why}")), "{run:?}");
    machine.install(&["podman"]).success();
    machine.write("/usr/bin/crio", "", 0o755);
    assert_eq!(machine.uninstall(&["auto"]).code, Some(1));
    assert!(!machine.has(USR));
}
