//! podman, CRI-O and NRI's hook-injector.

use serde_json::json;

use super::machine::Machine;

const USR: &str = "/usr/share/containers/oci/hooks.d/devgate.json";
const ETC: &str = "/etc/containers/oci/hooks.d/devgate.json";

#[test]
fn the_file_is_of_hooks_1_0_0() {
    let machine = Machine::new();
    machine.install(&["podman", "--log", "/var/log/devgate.log"]).success();
    let args = ["devgate", "hook", "--log", "/var/log/devgate.log"];
    let expected = json!({
        "version": "1.0.0",
        "hook": {"path": "/usr/bin/devgate", "args": args, "timeout": 60},
        "when": {"always": true},
        "stages": ["createRuntime"],
    });
    assert_eq!(machine.json(USR), expected);
}

#[test]
fn when_it_runs_can_be_said() {
    let machine = Machine::new();
    for (when, expected) in [
        (&["always"][..], json!({"always": true})),
        (&["bind-mounts"], json!({"hasBindMounts": true})),
        (&["command=^/bin/x$", "command=y"], json!({"commands": ["^/bin/x$", "y"]})),
        (
            &["annotation=a.b", "annotation=c=^d$", "bind-mounts"],
            json!({"annotations": {r"^a\.b$": ".*", "^c$": "^d$"}, "hasBindMounts": true}),
        ),
    ] {
        let when: Vec<&str> = when.iter().flat_map(|condition| ["--when", condition]).collect();
        machine.install(&[&["crio"], &when[..]].concat()).success();
        assert_eq!(machine.json(ETC)["when"], expected);
    }
    let run = machine.install(&["crio", "--when", "sometimes"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let run = machine.install(&["crio", "--when", "always", "--when", "bind-mounts"]);
    assert_eq!(run.failure(), "always goes with no other condition");
}

#[test]
fn the_engines_configuration_names_the_directory() {
    let machine = Machine::new();
    machine.write(
        "/etc/containers/containers.conf",
        "[engine]\nhooks_dir = [\"/first\", \"/my hooks\"]\n",
        0o644,
    );
    machine.install(&["podman"]).success();
    assert!(machine.has("/my hooks/devgate.json") && !machine.has(USR));
    // Found again wherever the engine reads.
    machine.write(
        "/etc/containers/containers.conf",
        "[engine]\nhooks_dir = [\"/my hooks\", \"/last\"]\n",
        0o644,
    );
    machine.uninstall(&["podman"]).success();
    assert!(!machine.has("/my hooks/devgate.json"));
    machine.write("/etc/containers/containers.conf", "[engine]\nhooks_dir = []\n", 0o644);
    let run = machine.install(&["podman"]);
    assert_eq!(run.failure(), "podman's configuration turns hooks off (hooks_dir = [])");
}

#[test]
fn a_directory_can_be_named() {
    let machine = Machine::new();
    machine.install(&["podman", "--hooks-dir", "/srv/hooks"]).success();
    assert!(machine.has("/srv/hooks/devgate.json"));
    let run = machine.install(&["podman", "--hooks-dir", "hooks"]);
    assert_eq!(run.failure(), "the hooks directory hooks is not an absolute path in UTF-8");
    assert_eq!(machine.uninstall(&["podman"]).success(), "there is nothing to take out\n");
    machine.uninstall(&["podman", "--hooks-dir", "/srv/hooks"]).success();
    assert!(!machine.has("/srv/hooks/devgate.json"));
}

/// One file is read by several engines, which the operator has to know.
#[test]
fn who_else_reads_the_file_is_said() {
    let machine = Machine::new();
    assert_eq!(machine.install(&["podman"]).success().lines().count(), 1);
    machine.write("/usr/bin/crio", "", 0o755);
    machine.write("/opt/nri/plugins/10-hook-injector", "", 0o755);
    let run = machine.install(&["podman"]);
    let note = "/usr/share/containers/oci/hooks.d is read by crio and nri too\n";
    assert!(run.success().ends_with(note), "{run:?}");
    assert!(machine.uninstall(&["podman"]).success().ends_with(note));
    let run = machine.install(&["crio"]);
    let note = "/etc/containers/oci/hooks.d is read by nri too\n";
    assert!(run.success().ends_with(note), "{run:?}");
    let alone = machine.install(&["podman", "--hooks-dir", "/srv/hooks"]);
    assert_eq!(alone.success().lines().count(), 1);
}

/// What is wrong with another engine's configuration is no matter of this one.
#[test]
fn another_engines_configuration_is_not_needed() {
    let machine = Machine::new();
    machine.write("/usr/bin/crio", "", 0o755);
    machine.write("/etc/crio/crio.conf", "[crio", 0o644);
    machine.install(&["podman"]).success();
    machine.uninstall(&["podman"]).success();
}

/// With such a file the engine would refuse every container.
#[test]
fn what_is_no_regular_expression_is_refused() {
    let machine = Machine::new();
    let run = machine.install(&["podman", "--when", "command=("]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("\"(\" is not a regular expression: unclosed group"), "{run:?}");
}
