//! What every engine's files have in common.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use super::common::command::{command, run};
use super::machine::Machine;

/// Each engine with the file that it gets.
const ENGINES: [(&str, &str); 5] = [
    ("podman", "/usr/share/containers/oci/hooks.d/devgate.json"),
    ("crio", "/etc/containers/oci/hooks.d/devgate.json"),
    ("nri", "/etc/containers/oci/hooks.d/devgate.json"),
    ("cdi", "/etc/cdi/devgate.io-policy.json"),
    ("containerd", "/etc/containerd/devgate-base.json"),
];

/// What an engine is installed with.
fn args<'a>(engine: &'a str, spec: &'a str) -> Vec<&'a str> {
    if engine == "containerd" { vec![engine, "--spec", spec] } else { vec![engine] }
}

/// A machine, and a spec for containerd's hook to be added to.
fn machine() -> (Machine, String) {
    let machine = Machine::new();
    machine.write("/spec.json", r#"{"ociVersion":"1.1.0","linux":{}}"#, 0o644);
    let spec = machine.at("/spec.json").to_str().expect("text").to_owned();
    (machine, spec)
}

#[test]
fn a_file_is_made_and_goes_again() {
    for (engine, file) in ENGINES {
        let (machine, spec) = machine();
        let before = machine.files();
        let run = machine.install(&args(engine, &spec));
        let created = format!("created {}\n", machine.at(file).display());
        assert!(run.success().starts_with(&created), "{run:?}");
        let hook = machine.json(file).to_string();
        assert!(hook.contains(r#""path":"/usr/bin/devgate""#), "{hook}");
        assert!(hook.contains(r#""args":["devgate","hook"]"#), "{hook}");
        let mode = machine.at(file).metadata().expect("it is there").mode() & 0o7777;
        assert_eq!(mode, 0o644);
        let run = machine.uninstall(&[engine]);
        let removed = format!("removed {}\n", machine.at(file).display());
        assert!(run.success().starts_with(&removed), "{run:?}");
        assert_eq!(machine.files(), before, "{engine}");
        assert_eq!(machine.uninstall(&[engine]).success(), "there is nothing to take out\n");
    }
}

#[test]
fn doing_it_twice_changes_nothing() {
    for (engine, file) in ENGINES {
        let (machine, spec) = machine();
        machine.install(&args(engine, &spec)).success();
        let inode = || machine.at(file).metadata().expect("it is there").ino();
        let (files, first) = (machine.files(), inode());
        let run = machine.install(&args(engine, &spec));
        let unchanged = format!("as it was: {}\n", machine.at(file).display());
        assert!(run.success().starts_with(&unchanged), "{run:?}");
        assert_eq!((machine.files(), inode()), (files, first));
    }
}

#[test]
fn printing_and_diffs_write_nothing() {
    for (engine, file) in ENGINES {
        let (machine, spec) = machine();
        let before = machine.files();
        let printed = machine.install(&[&args(engine, &spec)[..], &["--print"]].concat());
        let diff = machine.install(&[&args(engine, &spec)[..], &["--dry-run"]].concat());
        assert_eq!(machine.files(), before);
        machine.install(&args(engine, &spec)).success();
        let content = machine.read(file);
        assert_eq!((printed.code, printed.text()), (Some(0), content.as_str()));
        let head = format!("--- /dev/null\n+++ {}\n@@", machine.at(file).display());
        assert!(diff.success().starts_with(&head), "{diff:?}");
        assert!(content.lines().all(|line| diff.text().contains(&format!("\n+{line}\n"))));
        let log = ["--log", "/l", "--dry-run"];
        let diff = machine.install(&[&args(engine, &spec)[..], &log].concat());
        assert!(diff.success().contains("\n+"), "{diff:?}");
        let gone = machine.uninstall(&[engine, "--dry-run"]);
        let head = format!("--- {}\n+++ /dev/null\n@@", machine.at(file).display());
        assert!(gone.success().starts_with(&head), "{gone:?}");
        assert_eq!(machine.read(file), content);
    }
}

#[test]
fn a_file_that_is_not_ours_stays_unless_forced() {
    for (engine, file) in ENGINES {
        let (machine, spec) = machine();
        for foreign in ["", "not JSON", r#"{"hook":{"path":"/usr/bin/other"}}"#] {
            machine.write(file, foreign, 0o600);
            let run = machine.install(&args(engine, &spec));
            let at = machine.at(file);
            let why = "is there and is not devgate's; --force overwrites it";
            assert_eq!(run.failure(), format!("{} {why}", at.display()));
            assert_eq!(machine.uninstall(&[engine]).success(), "there is nothing to take out\n");
            assert_eq!(machine.read(file), foreign);
        }
        machine.install(&[&args(engine, &spec)[..], &["--force"]].concat()).success();
        assert!(machine.read(file).contains("/usr/bin/devgate"));
        // A file that is replaced keeps its mode.
        assert_eq!(machine.at(file).metadata().expect("it is there").mode() & 0o7777, 0o600);
    }
}

#[test]
fn the_hooks_options_travel() {
    for (engine, file) in ENGINES {
        let (machine, spec) = machine();
        let options = [
            "--log",
            "/var/log/devgate.log",
            "--log-format",
            "json",
            "--default-devices",
            "none",
            "--stale",
            "own",
            "--rootless",
            "fail",
            "--log-dir",
            "/var/log/of-containers",
        ];
        machine.install(&[&args(engine, &spec)[..], &options].concat()).success();
        let hook = machine.json(file).to_string();
        let listed = r#""args":["devgate","hook","--default-devices","none","--stale","own","--rootless","fail","--log","/var/log/devgate.log","--log-dir","/var/log/of-containers","--log-format","json"]"#;
        assert!(hook.contains(listed), "{hook}");
        let run = machine.install(&[&args(engine, &spec)[..], &["--log", "here.log"]].concat());
        assert_eq!(run.failure(), "the log here.log is not an absolute path in UTF-8");
    }
}

#[test]
fn only_the_registrations_of_one_binary_are_taken_out() {
    for (engine, file) in ENGINES {
        let (machine, spec) = machine();
        machine.install(&args(engine, &spec)).success();
        let run = machine.uninstall(&[engine, "--binary", "/opt/devgate"]);
        assert_eq!(run.success(), "there is nothing to take out\n");
        assert!(machine.has(file));
        machine.uninstall(&[engine, "--binary", "/usr/bin/devgate"]).success();
        assert!(!machine.has(file));
    }
}

/// A write that fails leaves the file as it was, and no other behind.
#[test]
fn what_can_t_be_written_stays() {
    let machine = Machine::new();
    machine.install(&["crio"]).success();
    machine.at("/").metadata().expect("it is there");
    let open = |path: &str, mode| {
        fs::set_permissions(machine.at(path), fs::Permissions::from_mode(mode)).expect("a mode");
    };
    open("/", 0o755);
    let before = machine.files();
    // As somebody who may read all of it.
    chown(machine.at("/"), Some(0), Some(0)).expect("root's");
    let mut install = command(&["install", "crio", "--prefix", machine.prefix()]);
    install.args(["--binary", "/usr/bin/devgate", "--log", "/l"]);
    std::os::unix::process::CommandExt::uid(&mut install, 65534);
    let ran = run(&mut install, "");
    let file = machine.at("/etc/containers/oci/hooks.d/devgate.json");
    let why = "Permission denied (os error 13)";
    assert!(
        ran.failure().starts_with(&format!("{} can't be written: {why}", file.display())),
        "{ran:?}"
    );
    assert_eq!(machine.files(), before);
}
