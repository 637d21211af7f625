//! What every engine's files have in common.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use std::path::Path;

use devgate::install::{Change, Plan, Root};
use nix::unistd::geteuid;

use super::common::command::{command, run};
use super::machine::Machine;

/// Each engine with the file that it gets.
const ENGINES: [(&str, &str); 5] = [
    ("podman", "/usr/share/containers/oci/hooks.d/devgate.json"),
    ("crio", "/usr/share/containers/oci/hooks.d/devgate.json"),
    ("nri", "/etc/containers/oci/hooks.d/devgate.json"),
    ("cdi", "/etc/cdi/devgate.io-policy.json"),
    ("containerd", "/etc/containerd/devgate-base.json"),
];

/// What an engine is installed with.
fn args<'a>(engine: &'a str, spec: &'a str) -> Vec<&'a str> {
    if engine == "containerd" { vec![engine, "--spec", spec] } else { vec![engine] }
}

/// How the arguments of its hooks name their stages. A file for a hooks directory has one hook.
fn stages(engine: &str) -> &'static [&'static str] {
    match engine {
        "cdi" | "containerd" => &[r#","--stage","createRuntime""#, r#","--stage","poststop""#],
        _ => &[""],
    }
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
        let args =
            stages(engine).iter().map(|stage| format!(r#""args":["devgate","hook"{stage}]"#));
        args.for_each(|args| assert!(hook.contains(&args), "{hook}"));
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
        // It is devgate's own now.
        let found = machine.at(file).metadata().expect("it is there");
        assert_eq!((found.mode() & 0o7777, found.uid()), (0o644, geteuid().as_raw()));
    }
}

#[test]
fn the_hooks_options_travel() {
    for (engine, file) in ENGINES {
        let (machine, spec) = machine();
        let options = [
            "--log",
            "/var/lib/devgate/devgate.log",
            "--log-format",
            "json",
            "--default-devices",
            "none",
            "--stale",
            "own",
            "--override-ancestor",
            "replace",
            "--retval-programs",
            "allow",
            "--hold",
            "require",
            "--unit",
            "no",
            "--rootless",
            "fail",
            "--log-dir",
            "/var/log/of-containers",
        ];
        machine.install(&[&args(engine, &spec)[..], &options].concat()).success();
        let hook = machine.json(file).to_string();
        let listed = r#","--default-devices","none","--stale","own","--override-ancestor","replace","--retval-programs","allow","--hold","require","--unit","no","--rootless","fail","--log","/var/lib/devgate/devgate.log","--log-dir","/var/log/of-containers","--log-format","json"]"#;
        for stage in stages(engine) {
            let args = format!(r#""args":["devgate","hook"{stage}{listed}"#);
            assert!(hook.contains(&args), "{hook}");
        }
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
    let file = machine.at(ENGINES[1].1);
    let why = "Permission denied (os error 13)";
    assert!(
        ran.failure().starts_with(&format!("{} can't be written: {why}", file.display())),
        "{ran:?}"
    );
    assert_eq!(machine.files(), before);
}

/// Its mode and owner count too: who can change it runs programs as root.
#[test]
fn what_others_could_change_is_mended() {
    if !geteuid().is_root() {
        return;
    }
    let (machine, _) = machine();
    machine.install(&["crio"]).success();
    let file = machine.at(ENGINES[1].1);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("its mode can be set");
    chown(&file, Some(1000), Some(1000)).expect("its owner can be set");
    assert!(machine.install(&["crio"]).success().starts_with("replaced "));
    let found = file.metadata().expect("it is there");
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o644, 0, 0));
}

/// Of a link the link goes, or gives way; what it leads to stays.
#[test]
fn links_are_what_is_written_and_removed() {
    let (machine, _) = machine();
    let run = machine.install(&["crio", "--hooks-dir", "/usr/share/devgate/hooks.d"]);
    let note = "crio does not read /usr/share/devgate/hooks.d by its configuration, only \
                /usr/share/containers/oci/hooks.d\n";
    assert!(run.success().ends_with(note), "{run:?}");
    let target = "/usr/share/devgate/hooks.d/devgate.json";
    let content = machine.read(target);
    let link = machine.at(ENGINES[1].1);
    let make_link = || {
        fs::create_dir_all(link.parent().expect("a folder")).expect("a folder can be made");
        std::os::unix::fs::symlink(target, &link).expect("a link can be made");
    };
    make_link();
    let removed = format!("removed {}\n", link.display());
    assert_eq!(machine.uninstall(&["crio"]).success(), removed);
    assert!(!link.is_symlink() && machine.read(target) == content);
    make_link();
    machine.install(&["crio", "--log", "/l"]).success();
    assert!(!link.is_symlink() && link.is_file());
    assert_eq!(machine.read(target), content);
}

/// An absolute link leads below the prefix, whatever is there on this machine.
#[test]
fn nothing_is_read_or_written_outside_of_the_prefix() {
    let (machine, _) = machine();
    let outside = tempfile::tempdir().expect("a folder");
    let hooks = machine.at("/usr/share/containers/oci/hooks.d");
    fs::create_dir_all(hooks.parent().expect("a folder")).expect("a folder can be made");
    std::os::unix::fs::symlink(outside.path(), &hooks).expect("a link can be made");
    machine.install(&["crio"]).success();
    assert_eq!(fs::read_dir(outside.path()).expect("it is there").count(), 0);
    let below = machine.at(outside.path().to_str().expect("text"));
    assert!(below.join("devgate.json").is_file());
}

#[test]
fn what_is_no_file_is_an_error_and_no_wait() {
    let (machine, _) = machine();
    let file = machine.at(ENGINES[1].1);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder can be made");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRUSR).expect("a FIFO can be made");
    let why = format!("{} can't be read: not a regular file", file.display());
    assert_eq!(machine.install(&["crio"]).failure(), why);
    assert_eq!(machine.uninstall(&["crio"]).failure(), why);
}

/// Between the plan and its doing: what somebody else wrote meanwhile is not lost.
#[test]
fn a_change_by_somebody_else_is_not_overwritten() {
    let (machine, _) = machine();
    machine.write("/etc/x.toml", "a = 1\n", 0o644);
    let root = Root::new(machine.at("/").as_path()).expect("it is there");
    let path = Path::new("/etc/x.toml");
    let before = root.read(path).expect("it can be read");
    let edit = |after: &str| {
        let after = Some(after.as_bytes().to_vec());
        let change = Change::edit(&root, path, before.clone(), after, 0o644).expect("a change");
        Plan { changes: vec![change], notes: Vec::new() }
    };
    let plan = edit("a = 2\n");
    machine.write("/etc/x.toml", "a = 1\nb = 1\n", 0o644);
    let error = plan.apply(|_, _| {}).expect_err("it was changed");
    assert!(error.to_string().ends_with("x.toml was changed meanwhile"), "{error}");
    assert_eq!(machine.read("/etc/x.toml"), "a = 1\nb = 1\n");
    // Who did the same has done it.
    machine.write("/etc/x.toml", "a = 2\n", 0o644);
    plan.apply(|_, _| {}).expect("it is as it should be");
}

/// A directory that can't be read is not an empty one.
#[test]
fn what_can_t_be_looked_into_is_an_error() {
    let (machine, _) = machine();
    machine.install(&["crio"]).success();
    machine.write("/usr/bin/crio", "", 0o755);
    let dir = machine.at(ENGINES[1].1);
    let dir = dir.parent().expect("a folder");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
    };
    mode(&machine.at("/"), 0o755);
    mode(dir, 0o700);
    let mut doctor = command(&["doctor", "engines", "--prefix", machine.prefix()]);
    std::os::unix::process::CommandExt::uid(&mut doctor, 65534);
    let ran = run(&mut doctor, "");
    let unknown = format!("engines/crio          not known: {} can't be read", dir.display());
    assert!(ran.text().contains(&unknown), "{ran:?}");
}
