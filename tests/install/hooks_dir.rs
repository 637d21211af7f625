//! podman, CRI-O and NRI's hook-injector.

use serde_json::json;

use super::machine::Machine;

const USR: &str = "/usr/share/containers/oci/hooks.d/devgate.json";

#[test]
fn the_file_is_of_hooks_1_0_0() {
    let machine = Machine::new();
    machine.install(&["podman", "--log", "/var/lib/devgate/devgate.log"]).success();
    let args = ["devgate", "hook", "--log", "/var/lib/devgate/devgate.log"];
    let expected = json!({
        "version": "1.0.0",
        "hook": {"path": "/usr/bin/devgate", "args": args, "timeout": 60},
        "when": {"always": true},
        "stages": ["createRuntime", "poststop"],
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
        assert_eq!(machine.json(USR)["when"], expected);
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
    let run = machine.install(&["podman", "--hooks-dir", "/srv/hooks"]);
    let note = "podman does not read /srv/hooks by its configuration, only \
                /usr/share/containers/oci/hooks.d\n";
    assert!(run.success().ends_with(note), "{run:?}");
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
    let run = machine.install(&["nri"]);
    assert_eq!(run.success().lines().count(), 1, "{run:?}");
    let alone = machine.install(&["podman", "--hooks-dir", "/srv/hooks"]);
    assert!(!alone.success().contains("too\n"), "{alone:?}");
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

/// CRI-O reads no other directory by itself: in /etc the hook would never run.
#[test]
fn cri_os_file_is_where_cri_o_reads() {
    let machine = Machine::new();
    machine.write("/usr/bin/crio", "", 0o755);
    machine.install(&["crio"]).success();
    assert!(machine.has(USR));
    machine.uninstall(&["crio"]).success();
    let dirs = "[crio.runtime]\nhooks_dir = [\"/usr/share/containers/oci/hooks.d\", \"/srv/a\"]\n";
    machine.write("/etc/crio/crio.conf", dirs, 0o644);
    machine.write("/etc/crio/crio.conf.d/10-more/x", "crio.runtime.hooks_dir = ['/srv/b']", 0o644);
    machine.install(&["crio"]).success();
    assert!(machine.has("/srv/b/devgate.json"));
    let doctor = machine.doctor("crio");
    assert!(doctor.text().contains("registered in /srv/b/devgate.json"), "{doctor:?}");
}

/// What it names is there after a reboot.
#[test]
fn a_directory_that_does_not_last_is_passed_over() {
    let machine = Machine::new();
    let dirs = "[crio.runtime]\nhooks_dir = ['/etc/hooks', '/run/hooks']\n";
    machine.write("/etc/crio/crio.conf.d/1.conf", dirs, 0o644);
    machine.install(&["crio"]).success();
    assert!(machine.has("/etc/hooks/devgate.json") && !machine.has("/run/hooks/devgate.json"));
}

/// As on Fedora CoreOS: a drop-in makes the engine read a directory more, and goes again.
#[test]
fn where_usr_is_read_only_a_drop_in_names_another_directory() {
    for (engine, drop_in, table) in [
        ("crio", "/etc/crio/crio.conf.d/99-devgate.conf", "[crio.runtime]"),
        ("podman", "/etc/containers/containers.conf.d/99-devgate.conf", "[engine]"),
    ] {
        let machine = Machine::new();
        machine.write(&format!("/usr/bin/{engine}"), "", 0o755);
        let before = machine.files();
        let file = format!("/etc/devgate/{engine}/hooks.d/devgate.json");
        let run = machine.install_read_only(&[engine]);
        let created = |file: &str| format!("created {}\n", machine.at(file).display());
        assert!(run.success().starts_with(&(created(&file) + &created(drop_in))), "{run:?}");
        let restart = run.text().contains("systemctl restart crio: it reads hooks_dir when it");
        assert_eq!(restart, engine == "crio", "{run:?}");
        let list = format!(
            "\n{table}\nhooks_dir = [\"/usr/share/containers/oci/hooks.d\", \
             \"/etc/devgate/{engine}/hooks.d\"]\n"
        );
        assert!(machine.read(drop_in).ends_with(&list), "{}", machine.read(drop_in));
        let doctor = machine.doctor(engine);
        assert!(doctor.text().contains(&format!("registered in {file}: ")), "{doctor:?}");
        let files = machine.files();
        assert_eq!(machine.install_read_only(&[engine]).success().matches("as it was").count(), 2);
        assert_eq!(machine.files(), files);
        // Another binary's registration stays, and so what makes it read.
        machine.uninstall(&[engine, "--binary", "/opt/devgate"]).success();
        assert_eq!(machine.files(), files);
        machine.uninstall(&[engine]).success();
        assert_eq!(machine.files(), before);
    }
}

/// A later file would undo the drop-in, and the hook would never run.
#[test]
fn a_drop_in_that_would_be_overruled_is_not_written() {
    let machine = Machine::new();
    let dirs = "[crio.runtime]\nhooks_dir = ['/usr/hooks']\n";
    machine.write("/etc/crio/crio.conf.d/zz.conf", dirs, 0o644);
    let before = machine.files();
    let run = machine.install_read_only(&["crio"]);
    assert_eq!(
        run.failure(),
        "/usr/hooks can't be written to, and a drop-in that adds /etc/devgate/crio/hooks.d would \
         be overruled by /etc/crio/crio.conf.d/zz.conf: add that directory to it, and name it with \
         --hooks-dir"
    );
    assert_eq!(machine.files(), before);
}

/// Somebody else's file of that name stays.
#[test]
fn a_drop_in_of_somebody_elses_is_not_overwritten() {
    let machine = Machine::new();
    machine.write("/etc/crio/crio.conf.d/99-devgate.conf", "# mine\n", 0o644);
    let run = machine.install_read_only(&["crio"]);
    assert!(run.failure().ends_with("is there and is not devgate's; --force overwrites it"));
    machine.uninstall(&["crio"]).success();
    assert_eq!(machine.read("/etc/crio/crio.conf.d/99-devgate.conf"), "# mine\n");
}
