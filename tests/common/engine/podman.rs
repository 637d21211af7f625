//! podman, with stores, state and configuration of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::answers::{Steps, script};
use super::container::Gated;
use super::place::Place;
use super::session::Session;
use super::watch::{HookRun, hook_runs};
use super::{DEVGATE, eventually, find, isolated, rootfs};

/// What podman's containers all get.
const RUN: [&str; 4] = ["--interactive", "--cap-add=mknod", "--env=PATH=/bin", "--stop-timeout=0"];

/// The default limits need CAP_SYS_RESOURCE, and the default lock file is everybody's.
const CONFIG: &str = r#"
[containers]
default_ulimits = ["nofile=1024:20000", "nproc=1024:4096"]
pids_limit = 0
netns = "none"
log_driver = "k8s-file"
[network]
network_config_dir = "@DIR@/network"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
[engine.runtimes]
runc = ["@DIR@/runc"]
"#;

/// `--runtime-flag root=DIR` would be forgotten by the process that cleans up.
const RUNTIME: &str = "#!/bin/sh\nexec @RUNC@ --root @DIR@/state \"$@\"\n";

pub struct Podman {
    place: Place,
}

impl Podman {
    /// With `devgate hook` and these arguments for a hook.
    pub fn new(arguments: &[&str]) -> Podman {
        let podman = Podman::without_hook();
        let log = podman.log();
        let first = ["devgate", "hook", "--log", &log, "--log-format", "json"];
        podman.add_hook("devgate.json", DEVGATE, &[&first, arguments].concat());
        podman
    }

    pub fn without_hook() -> Podman {
        let place = Place::new();
        let dir = place.dir();
        let text = dir.to_str().expect("the folder's path is text");
        rootfs::make(&dir.join("rootfs"));
        fs::create_dir(dir.join("hooks")).expect("a folder can be made");
        fs::write(dir.join("containers.conf"), CONFIG.replace("@DIR@", text))
            .expect("a file can be written");
        let runc = find("runc").expect("runc is installed");
        let runtime = RUNTIME.replace("@RUNC@", &runc.to_string_lossy()).replace("@DIR@", text);
        fs::write(dir.join("runc"), runtime).expect("a file can be written");
        fs::set_permissions(dir.join("runc"), Permissions::from_mode(0o755))
            .expect("its mode can be set");
        Podman { place }
    }

    /// A hook of the hooks folder, which always runs at createRuntime.
    pub fn add_hook(&self, file: &str, path: &str, args: &[&str]) {
        let hook = json!({
            "version": "1.0.0",
            "hook": {"path": path, "args": args},
            "when": {"always": true},
            "stages": ["createRuntime"],
        });
        self.add_hook_file(file, &hook);
    }

    pub fn add_hook_file(&self, file: &str, hook: &Value) {
        let file = self.place.dir().join("hooks").join(file);
        fs::write(file, hook.to_string()).expect("a hook can be written");
    }

    pub fn log(&self) -> String {
        self.place.path("hook.log")
    }

    pub fn hook_runs(&self) -> Vec<HookRun> {
        hook_runs(&self.log())
    }

    /// `podman run`, attached to the container.
    pub fn start(&self, options: &[&str], steps: &Steps) -> Session {
        let rootfs = self.place.path("rootfs");
        let mut command = self.command();
        command.arg("run").args(RUN).arg(format!("--cgroup-parent={}", self.place.cgroup_name()));
        command.args(options).args(["--rootfs", &rootfs, "sh", "-c", &script(steps)]);
        Session::start(&mut command, &self.place)
    }

    /// A container with these options takes these steps and gets these answers, under devgate's
    /// program alone.
    #[track_caller]
    pub fn expect(&self, options: &[&str], steps: &Steps) -> Gated {
        let mut session = self.start(&[&["--rm"], options].concat(), steps);
        session.expect(steps);
        let gated = self.last_gated();
        gated.assert_running();
        let ended = session.finish();
        // `read` was told that there is nothing to read.
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
        gated.assert_gone();
        gated
    }

    /// What an operator does while a container with these options runs, given its id.
    #[track_caller]
    pub fn look(&self, options: &[&str], look: impl FnOnce(&str, &Path)) {
        let mut session = self.start(&[&["--rm"], options].concat(), &[]);
        session.expect(&[]);
        let Output { stdout, .. } = self.output(&["ps", "--quiet", "--no-trunc"]);
        let id = String::from_utf8(stdout).expect("an id");
        let id = id.trim();
        let config = format!("vfs-containers/{id}/userdata/config.json");
        look(id, &self.place.dir().join("storage").join(config));
        session.finish();
        self.last_gated().assert_gone();
    }

    /// podman fails on account of the hook, and no container is left.
    #[track_caller]
    pub fn expect_failure(&self) -> String {
        let stderr = self.start(&["--rm"], &[]).expect_failure(126);
        // conmon has a cgroup of its own, which podman leaves.
        let left = || self.place.cgroups().iter().any(|name| name.contains("libpod"));
        eventually("the container's cgroup is gone", || !left());
        stderr
    }

    /// What the latest run of the hook came to.
    #[track_caller]
    pub fn last_gated(&self) -> Gated {
        let runs = self.hook_runs();
        Gated::new(&self.place, runs.last().expect("the hook ran"))
    }

    /// A podman command that goes well.
    #[track_caller]
    pub fn run(&self, args: &[&str]) {
        let Output { status, stderr, .. } = self.output(args);
        assert!(status.success(), "podman {args:?}: {}", String::from_utf8_lossy(&stderr));
    }

    /// What the container printed, all its starts together.
    pub fn logs(&self, container: &str) -> String {
        String::from_utf8(self.output(&["logs", container]).stdout).expect("it printed text")
    }

    /// A device node outside of containers, for podman to find the numbers of.
    pub fn make_node(&self, numbers: [&str; 3]) -> String {
        self.place.make_node(numbers)
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("podman can be started")
    }

    fn command(&self) -> Command {
        let mut command = isolated("podman");
        command.env("CONTAINERS_CONF", self.place.path("containers.conf"));
        for (option, dir) in [
            ("--root", "storage"),
            ("--runroot", "run"),
            ("--tmpdir", "tmp"),
            ("--hooks-dir", "hooks"),
        ] {
            command.args([option, &self.place.path(dir)]);
        }
        command.arg("--storage-driver=vfs");
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // There is nothing to remove after a test that went well.
        let _ = self.output(&["rm", "--all", "--force", "--time=0"]);
    }
}
