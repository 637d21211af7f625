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
    assert!(machine.has(USR) && machine.has(ETC));
    // As podman and CRI-O both read the former: one hook, not two.
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
    assert!(machine.has(ETC));
    machine.install(&["auto", "--among", "crio,containerd"]).success();
}
