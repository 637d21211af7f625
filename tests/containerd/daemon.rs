//! A containerd of one test.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::panicking;

use crate::common::command::Run;
use crate::common::engine::container::Gated;
use crate::common::engine::place::Place;
use crate::common::engine::watch::{HookRun, hook_runs, releases};
use crate::common::engine::{CGROUP2, DEVGATE, eventually, find, isolated};
use crate::kinds::Kind;
use crate::version::Version;

/// What the daemon puts in /run goes with its mount namespace, but for devgate's records, which are
/// the test's. Its shims stay in its cgroup.
const START: &str = r#"
exec 3</run/devgate
mount -t tmpfs tmpfs /run
mkdir /run/devgate
mount --no-canonicalize --bind /proc/self/fd/3 /run/devgate
exec 3<&-
mkdir "$1"
echo $$ > "$1/cgroup.procs"
shift
exec "$@"
"#;

/// containerd sets limits by itself whose controllers the machine may have bound to cgroup v1.
const RUNC: &str = r#"#!/bin/sh
case " $* " in
*" create "*) sed -i -E 's/"(cpu|memory|pids)":\{[^{}]*\}/"\1":null/g' config.json ;;
esac
exec @RUNC@ "$@"
"#;

/// The name of the daemon's cgroup.
const DAEMON: &str = "daemon";

/// With stores, state and configuration of its own. When it is dropped it ends, with its shims.
pub struct Containerd {
    version: Version,
    daemon: Child,
    place: Place,
}

/// Where a test's file is that configures its containerd.
pub fn config(place: &Place) -> String {
    place.path("config.toml")
}

/// A place with what a containerd of this version needs.
pub fn place(version: Version) -> Place {
    let place = Place::new();
    let text = version.config().replace("@DIR@", text(place.dir()));
    fs::write(config(&place), text).expect("a file can be made");
    write_runc(&place);
    place
}

impl Containerd {
    /// In this place.
    #[track_caller]
    pub fn start(version: Version, place: Place) -> Containerd {
        let daemon = spawn(version, &place);
        let containerd = Containerd { version, daemon, place };
        eventually("containerd is up", || UnixStream::connect(containerd.socket()).is_ok());
        containerd
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn socket(&self) -> PathBuf {
        self.place.dir().join("containerd.sock")
    }

    /// Takes in an image for pods.
    #[track_caller]
    pub fn import(&self, image: &Path) {
        let kubernetes = ["--namespace", "k8s.io"];
        let import = self.version.import();
        self.succeed(&[&kubernetes, import, &["--snapshotter", "native", text(image)]].concat());
    }

    /// A command of ctr.
    pub fn ctr(&self, args: &[&str]) -> Command {
        let mut command = isolated(text(&self.version.programs().join("ctr")));
        command.arg("--address").arg(self.socket()).args(args);
        command
    }

    /// Runs ctr, which has to succeed.
    #[track_caller]
    pub fn succeed(&self, args: &[&str]) -> String {
        let output = self.ctr(args).output().expect("ctr can be started");
        let Output { status, stdout, stderr } = output;
        assert!(status.success(), "ctr {args:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("ctr prints text")
    }

    /// What devgate prints on this machine, as its hooks see it.
    #[track_caller]
    pub fn devgate(&self, args: &[&str]) -> String {
        let run: Run = isolated(DEVGATE).args(args).output().expect("devgate can be run").into();
        run.success().to_owned()
    }

    /// The hook's runs for this container.
    pub fn hook_runs(&self, container: &str) -> Vec<HookRun> {
        let mut runs = hook_runs(&self.place.path("hook.log"));
        runs.retain(|run| run.container.as_deref() == Some(container));
        runs
    }

    /// The hook's runs after this container has stopped.
    pub fn releases(&self, container: &str) -> Vec<HookRun> {
        let mut runs = releases(&self.place.path("hook.log"));
        runs.retain(|run| run.container.as_deref() == Some(container));
        runs
    }

    /// The running container has devgate's program alone, and it says what the kind asks for.
    #[track_caller]
    pub fn expect_gated(&self, container: &str, kind: &Kind) -> Gated {
        let runs = self.hook_runs(container);
        let run = runs.last().unwrap_or_else(|| panic!("{container} has seen no hook"));
        let gated = Gated::new(&self.place, run);
        assert_eq!(gated.assert_running().rules(), kind.effective());
        gated
    }

    /// No container is left, nor a shim.
    #[track_caller]
    pub fn assert_empty(&self) {
        eventually("all cgroups are gone", || self.place.cgroups() == [DAEMON]);
        let cgroup = self.place.cgroup_shown_at(&format!("{}/cgroup.procs", daemons(&self.place)));
        let processes = || fs::read_to_string(&cgroup).expect("the cgroup can be read");
        eventually("the shims are gone", || !processes().lines().any(is_shim));
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let cgroup = self.place.cgroup_shown_at(&daemons(&self.place));
        // A daemon that failed may not have got so far.
        let _ = fs::write(cgroup.join("cgroup.kill"), "1");
        let _ = self.daemon.wait();
        if panicking() {
            eprintln!("{}", fs::read_to_string(self.place.path("log")).unwrap_or_default());
        }
    }
}

fn is_shim(process: &str) -> bool {
    let name = fs::read_to_string(format!("/proc/{process}/comm"));
    name.is_ok_and(|name| name.starts_with("containerd-shim"))
}

/// The daemon's cgroup, as it sees it.
fn daemons(place: &Place) -> String {
    format!("{CGROUP2}{}/{DAEMON}", place.cgroup_name())
}

fn spawn(version: Version, place: &Place) -> Child {
    let log = File::create(place.path("log")).expect("a file can be made");
    let programs = version.programs();
    isolated("sh")
        .args(["-ec", START, "sh", &daemons(place)])
        .arg(programs.join("containerd"))
        .args(["--log-level", "warn", "--config", &config(place)])
        // Its shim is looked for there first.
        .env("PATH", version.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file has another handle"))
        .stderr(log)
        .spawn()
        .expect("containerd can be started")
}

fn write_runc(place: &Place) {
    let runc = find("runc").expect("runc is installed");
    let file = place.path("runc");
    fs::write(&file, RUNC.replace("@RUNC@", text(&runc))).expect("a file can be made");
    fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("its mode can be set");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}
