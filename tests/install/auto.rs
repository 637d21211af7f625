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

/// A file that two engines read is written once.
#[test]
fn nri_counts_by_its_plugin() {
    let machine = Machine::new();
    machine.write("/usr/bin/crio", "", 0o755);
    machine.write("/opt/nri/plugins/10-hook-injector", "", 0o755);
    let run = machine.install(&["auto"]);
    assert_eq!(run.success().matches("created ").count(), 1, "{run:?}");
    assert!(machine.has(ETC));
}
