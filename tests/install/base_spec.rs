//! Where containerd's base spec comes from. Nothing below a prefix is run for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use devgate::install::Major;
use serde_json::Value;

use super::common::command::{Run, command, run};
use super::common::engine::find;
use super::common::require::require;
use super::machine::Machine;

const SPEC: &str = "/etc/containerd/devgate-base.json";
const CONTAINERD: &str = "/usr/bin/containerd";

fn install(machine: &Machine, args: &[&str]) -> Run {
    machine.install(&[&["containerd"], args].concat())
}

/// Real programs of each major version.
fn real(program: &str) -> Option<[(Major, PathBuf); 2]> {
    let two =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/testbed/containerd2").join(program);
    let one = find(program).filter(|_| two.exists());
    let found = one.map(|one| [(Major::One, one), (Major::Two, two)]);
    let why = format!("{program} of containerd 1 or 2 is missing; `make test-deps` installs both");
    require(found.is_some(), &why);
    found
}

/// A default spec as it is registered: CRI sets no limits, and so must the base spec.
fn expected(mut spec: Value) -> Value {
    spec["process"].as_object_mut().expect("a process").remove("rlimits");
    spec
}

fn without_hooks(mut spec: Value) -> Value {
    spec.as_object_mut().expect("an object").remove("hooks").expect("the hook");
    spec
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn the_defaults_are_what_ctr_prints() {
    for (major, ctr) in real("ctr").into_iter().flatten() {
        let printed = Command::new(ctr).args(["oci", "spec"]).output().expect("ctr runs");
        let printed = String::from_utf8(printed.stdout).expect("text");
        assert_eq!(json(major.default_spec()), json(&printed), "containerd {major}");
    }
}

#[test]
fn the_program_says_which_default_it_is() {
    for (major, containerd) in real("containerd").into_iter().flatten() {
        let machine = Machine::new();
        machine.write(CONTAINERD, "", 0o755);
        fs::copy(containerd, machine.at(CONTAINERD)).expect("a copy");
        machine.install(&["auto"]).success();
        assert_eq!(without_hooks(machine.json(SPEC)), expected(json(major.default_spec())));
    }
}

#[test]
fn which_default_it_is_can_be_said() {
    for major in Major::ALL {
        let machine = Machine::new();
        let text = major.to_string();
        install(&machine, &["--containerd-major", &text]).success();
        assert_eq!(without_hooks(machine.json(SPEC)), expected(json(major.default_spec())));
    }
}

#[test]
fn a_version_that_is_not_known_is_an_error() {
    let machine = Machine::new();
    let refused = |problem: &str| {
        let run = install(&machine, &[]);
        let what = "which major version of containerd is below the prefix can't be told";
        let remedy = "--containerd-major says it, --spec FILE does without it";
        assert_eq!(run.failure(), format!("{what}: {problem}; {remedy}"));
        assert!(!machine.has(SPEC));
    };
    refused("there is no program containerd");
    machine.write(CONTAINERD, "github.com/containerd/containerd/v3/cmd/containerd", 0o755);
    refused("/usr/bin/containerd names neither");
}

/// It would run as root, and out of any chroot.
#[test]
fn nothing_below_a_prefix_is_run() {
    let machine = Machine::new();
    let trap = format!("#!/bin/sh\necho > {}/sprung\n", machine.prefix());
    // Here and, if it were chrooted to, there.
    let inside = "#!/bin/sh\necho > /sprung\n";
    fs::create_dir_all(machine.at("/bin")).expect("a folder");
    fs::copy("/bin/busybox", machine.at("/bin/sh")).expect("a shell");
    for script in [trap.as_str(), inside] {
        for program in ["ctr", "containerd", "runc", "podman", "crio"] {
            machine.write(&format!("/usr/bin/{program}"), script, 0o755);
        }
        for how in [&[][..], &["--print"], &["--dry-run"]] {
            install(&machine, how);
            install(&machine, &[&["--containerd-major", "2"], how].concat());
            machine.install(&[&["auto"], how].concat());
        }
    }
    assert!(!machine.has("/sprung"));
}

/// `install containerd --print` on this machine, with a ctr of this script in PATH.
struct Here {
    dir: tempfile::TempDir,
}

impl Here {
    fn new(script: &str) -> Here {
        let dir = tempfile::tempdir().expect("a folder");
        let ctr = dir.path().join("ctr");
        fs::write(&ctr, script).expect("a file");
        fs::set_permissions(ctr, Permissions::from_mode(0o755)).expect("a mode");
        Here { dir }
    }

    fn ctr(&self) -> PathBuf {
        self.dir.path().join("ctr")
    }

    fn print(&self) -> Run {
        let config = self.dir.path().join("config.toml");
        let config = config.to_str().expect("text");
        let mut install = command(&["install", "containerd", "--print", "--config", config]);
        install.args(["--binary", "/bin/true"]).env("PATH", self.dir.path());
        run(&mut install, "")
    }
}

#[test]
fn this_machines_ctr_is_asked() {
    let here = Here::new("#!/bin/sh\necho '{\"ociVersion\":\"1.7.7\"}'\n");
    assert!(here.print().text().contains("1.7.7"), "{:?}", here.print());
    let here = Here::new("#!/bin/sh\necho no >&2; exit 3\n");
    assert_eq!(here.print().failure(), "ctr oci spec failed (exit status: 3): no");
    let here = Here::new("#!/bin/sh\nexec /usr/bin/yes\n");
    let why =
        "ctr oci spec failed; --spec FILE does without it: it printed more than 1048576 bytes";
    assert_eq!(here.print().failure(), why);
}

/// As the hook's own binary is looked at.
#[test]
fn a_ctr_that_others_can_change_is_not_run() {
    let here = Here::new("#!/bin/sh\necho > \"${0%/*}/sprung\"\n");
    let refused = |flaw: &str| {
        let why = format!("ctr oci spec is not run: {}: {flaw}", here.ctr().display());
        let run = here.print();
        assert!(run.failure().starts_with(&why), "{run:?}");
        assert!(!here.dir.path().join("sprung").exists());
    };
    fs::set_permissions(here.ctr(), Permissions::from_mode(0o775)).expect("a mode");
    refused(&format!("{} can be changed by others (mode 0775)", here.ctr().display()));
    fs::set_permissions(here.ctr(), Permissions::from_mode(0o755)).expect("a mode");
    let dir = here.dir.path();
    fs::set_permissions(dir, Permissions::from_mode(0o777)).expect("a mode");
    refused(&format!("{} can be changed by others (mode 0777)", dir.display()));
    fs::set_permissions(dir, Permissions::from_mode(0o755)).expect("a mode");
    chown(here.ctr(), Some(1000), None).expect("an owner");
    refused(&format!("{} belongs to user 1000, not to root", here.ctr().display()));
}
