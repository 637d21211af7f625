//! The package, installed and removed by dpkg on this machine's files below an overlay.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::command::{Run, run};
use common::require::{bpf, require};
use serde_json::Value;

/// What is in the package besides man pages; all of it is root's.
const FILES: [(&str, u32); 16] = [
    ("usr/bin/devgate", 0o755),
    ("usr/lib/systemd/system/devgate-guard.service", 0o644),
    ("usr/lib/systemd/system/devgate-metrics.service", 0o644),
    ("usr/lib/systemd/system/devgate-observe.service", 0o644),
    ("usr/lib/systemd/system/devgate-textfile.service", 0o644),
    ("usr/lib/systemd/system/devgate-textfile.timer", 0o644),
    ("usr/share/bash-completion/completions/devgate", 0o644),
    ("usr/share/devgate/hooks.d/devgate.json", 0o644),
    ("usr/share/devgate/prometheus/devgate-dashboard.json", 0o644),
    ("usr/share/devgate/prometheus/devgate.rules.yml", 0o644),
    ("usr/share/doc/devgate/README.md", 0o644),
    ("usr/share/doc/devgate/changelog.gz", 0o644),
    ("usr/share/doc/devgate/copyright", 0o644),
    ("usr/share/fish/vendor_completions.d/devgate.fish", 0o644),
    ("usr/share/lintian/overrides/devgate", 0o644),
    ("usr/share/zsh/vendor-completions/_devgate", 0o644),
];

const MAN_PAGES: &str = "usr/share/man/man1";

/// What dpkg writes for itself.
const DPKGS: [&str; 3] = ["var/lib/dpkg", "var/log/dpkg.log", "var/cache"];

/// $1: a folder for the overlay. It lasts until standard input is closed.
const OVERLAY: &str = r#"
mount -t tmpfs -o size=200m overlay "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
touch "$1/root/dev/null"
mount --bind /dev/null "$1/root/dev/null"
cp "$2" "$1/root/devgate.deb"
echo ready
read -r line || true
"#;

/// This machine's files, changes to which are nobody else's.
struct Machine {
    child: Child,
    files: tempfile::TempDir,
}

impl Machine {
    fn new(package: &Path) -> Machine {
        let files = tempfile::tempdir().expect("a folder can be made");
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec", OVERLAY, "sh"])
            .args([files.path(), package])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare can be run");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("standard output is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("it can be read");
        let machine = Machine { child, files };
        assert_eq!(line, "ready\n");
        machine
    }

    /// Runs a command on it.
    fn run(&self, args: &[&str]) -> Run {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.child.id()));
        command.args(["chroot".as_ref(), self.files.path().join("root").as_os_str()]);
        run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"), "")
    }

    /// Runs dpkg, which man-db's triggers would make wait for other packages' pages.
    #[track_caller]
    fn dpkg(&self, args: &[&str]) {
        // A machine may be set up to leave out documentation.
        let options = ["dpkg", "--no-triggers", "--path-include=*"];
        let run = self.run(&[&options, args].concat());
        assert_eq!(run.code, Some(0), "dpkg {args:?}: {run:?}");
    }

    /// Where its root is here.
    fn at(&self, path: &str) -> PathBuf {
        self.inside("root").join(path)
    }

    fn inside(&self, part: &str) -> PathBuf {
        let dir = self.files.path().strip_prefix("/").expect("it is absolute");
        Path::new("/proc").join(self.child.id().to_string()).join("root").join(dir).join(part)
    }

    /// What is different from this machine but for what dpkg writes for itself, with mode, user
    /// and group.
    fn changes(&self) -> BTreeMap<String, (u32, u32, u32)> {
        let mut found = BTreeMap::new();
        collect(&self.inside("upper"), "", &mut found);
        let own = ["devgate.deb", "dev/null"];
        found.retain(|path, _| {
            !DPKGS.iter().any(|dir| path.starts_with(dir)) && !own.contains(&path.as_str())
        });
        found
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn collect(root: &Path, below: &str, found: &mut BTreeMap<String, (u32, u32, u32)>) {
    for entry in fs::read_dir(root.join(below)).expect("it can be read") {
        let entry = entry.expect("it can be read");
        let name = entry.file_name().into_string().expect("names are text");
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let metadata = entry.metadata().expect("it is there");
        if metadata.is_dir() {
            collect(root, &path, found);
        } else {
            found.insert(path, (metadata.mode() & 0o7777, metadata.uid(), metadata.gid()));
        }
    }
}

/// The package that `make deb` made.
fn package() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian");
    let start = concat!("devgate_", env!("CARGO_PKG_VERSION"), "_");
    let packages = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut packages = packages.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(start) && name.ends_with(".deb")
    });
    packages.next()
}

/// A machine with the package installed.
fn installed() -> Option<Machine> {
    let package = package();
    let there = require(package.is_some(), "there is no package; `make deb` makes it");
    let package = package.filter(|_| there && bpf())?;
    let machine = Machine::new(&package);
    machine.dpkg(&["--install", "/devgate.deb"]);
    Some(machine)
}

#[test]
fn everything_is_where_it_belongs() {
    let Some(machine) = installed() else { return };
    let version = machine.run(&["/usr/bin/devgate", "--version"]);
    assert_eq!(version.success(), concat!("devgate ", env!("CARGO_PKG_VERSION"), "\n"));

    let mut changes = machine.changes();
    let pages: Vec<String> =
        changes.keys().filter(|path| path.starts_with(MAN_PAGES)).cloned().collect();
    assert!(pages.contains(&format!("{MAN_PAGES}/devgate.1.gz")), "{pages:?}");
    assert!(pages.contains(&format!("{MAN_PAGES}/devgate-hook.1.gz")), "{pages:?}");
    for page in pages {
        assert_eq!(changes.remove(&page), Some((0o644, 0, 0)), "{page}");
        let text = machine.run(&["zcat", &format!("/{page}")]);
        assert!(text.success().contains("\n.TH devgate"), "{page}");
    }
    // Nothing else: no engine has a hook.
    let expected = FILES.map(|(path, mode)| (path.to_owned(), (mode, 0, 0)));
    assert_eq!(changes, BTreeMap::from(expected));
}

#[test]
fn what_is_in_the_files_is_of_use() {
    let Some(machine) = installed() else { return };
    machine.run(&["bash", "-n", "/usr/share/bash-completion/completions/devgate"]).success();
    for (file, first) in [
        ("usr/share/zsh/vendor-completions/_devgate", "#compdef devgate\n"),
        ("usr/share/fish/vendor_completions.d/devgate.fish", "# Print an optspec"),
    ] {
        let text = fs::read_to_string(machine.at(file)).expect("it is text");
        assert!(text.starts_with(first), "{file}: {text}");
    }
    let hook = fs::read(machine.at("usr/share/devgate/hooks.d/devgate.json")).expect("it is there");
    let hook: Value = serde_json::from_slice(&hook).expect("JSON");
    assert_eq!(hook["hook"]["path"], "/usr/bin/devgate");
    let changelog = machine.run(&["zcat", "/usr/share/doc/devgate/changelog.gz"]);
    let entry = concat!("devgate (", env!("CARGO_PKG_VERSION"), ") unstable; ");
    assert!(changelog.success().starts_with(entry), "{changelog:?}");
    machine.dpkg(&["--verify", "devgate"]);
}

#[test]
fn removing_leaves_nothing() {
    for remove in ["--remove", "--purge"] {
        let Some(machine) = installed() else { return };
        machine.dpkg(&[remove, "devgate"]);
        assert_eq!(machine.changes(), BTreeMap::new(), "{remove}");
        for dir in ["usr/share/devgate", "usr/share/doc/devgate"] {
            assert!(!machine.at(dir).exists(), "{remove} leaves {dir}");
        }
        let left = fs::read_dir(machine.at("var/lib/dpkg/info")).expect("it can be read").flatten();
        let is_ours = |name: &str| name.starts_with("devgate.");
        assert!(!left.into_iter().any(|entry| is_ours(&entry.file_name().to_string_lossy())));
    }
}

/// A registration of a program that is gone lets no container start.
#[test]
fn removing_takes_out_the_packages_own_registrations() {
    let Some(machine) = installed() else { return };
    let others = "etc/containers/oci/hooks.d/devgate.json";
    let other = r#"{"version": "1.0.0", "hook": {"path": "/opt/devgate/bin/devgate", "args":
        ["devgate", "hook"]}, "when": {"always": true}, "stages": ["createRuntime"]}"#;
    fs::create_dir_all(machine.at(others).parent().expect("a folder")).expect("a folder");
    fs::write(machine.at(others), other).expect("a file");
    let before = machine.changes();

    let install = ["/usr/bin/devgate", "install", "podman", "--hooks-dir"];
    let dir = "/usr/share/containers/oci/hooks.d";
    let registered = machine.run(&[&install[..], &[dir]].concat());
    assert_eq!(registered.code, Some(0), "{registered:?}");
    let file = format!("{}/devgate.json", &dir[1..]);
    assert!(machine.at(&file).exists());
    let config = machine.at("etc/containerd/config.toml");
    let containerds = fs::read_to_string(&config).expect("containerd is installed");
    let registered = machine.run(&["/usr/bin/devgate", "install", "containerd", "--apply"]);
    assert_eq!(registered.code, Some(0), "{registered:?}");
    assert_ne!(fs::read_to_string(&config).expect("it is there still"), containerds);

    machine.dpkg(&["--install", "/devgate.deb"]);
    assert!(machine.at(&file).exists(), "an upgrade took it out");
    // The configuration has changed, and there are its copy, the base spec and the hooks file.
    assert_eq!(machine.changes().len(), before.len() + 4);

    machine.dpkg(&["--remove", "devgate"]);
    assert!(!machine.at(&file).exists(), "removing left it");
    assert_eq!(fs::read_to_string(&config).expect("it is there still"), containerds);
    assert!(!machine.at("etc/containerd/devgate-base.json").exists());
    assert_eq!(fs::read_to_string(machine.at(others)).expect("it is there still"), other);
}
