//! runc, with bundles made from `testdata/bundle/config.json`.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::answers::{Steps, script};
use super::container::Gated;
use super::place::Place;
use super::session::Session;
use super::watch::{HookRun, hook_runs};
use super::{CGROUP2, DEVGATE, eventually, isolated, rootfs};

const TEMPLATE: &str = include_str!("../../../testdata/bundle/config.json");

/// What stands for the device rules until the end: they may be malformed.
const DEVICES: &str = "\"the device rules\"";

/// A bundle, and the container that runc makes of it.
pub struct Runc {
    place: Place,
    config: Value,
    rules: String,
    gated: OnceCell<Gated>,
    runtime: Runtime,
}

/// Who makes the container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Runc,
    /// With `memlock.c` preloaded.
    Crun,
}

impl Runc {
    /// A container with these device rules, which is let in by `devgate hook` with these
    /// arguments.
    pub fn new(rules: &str, arguments: &[&str]) -> Runc {
        let mut runc = Runc::without_hook(rules);
        let log = runc.log();
        let first = ["devgate", "hook", "--log", &log, "--log-format", "json"];
        runc.set_hook(&[&first, arguments].concat());
        runc
    }

    /// A container with these device rules and no hook.
    pub fn without_hook(rules: &str) -> Runc {
        Runc::of(Runtime::Runc, rules)
    }

    /// The same with another runtime.
    pub fn of(runtime: Runtime, rules: &str) -> Runc {
        let place = Place::new();
        let bundle = place.dir().join("bundle");
        rootfs::make(&bundle.join("rootfs"));
        let mut config: Value = serde_json::from_str(TEMPLATE).expect("the template is JSON");
        config["linux"]["cgroupsPath"] = json!(format!("{}/container", place.cgroup_name()));
        Runc { place, config, rules: rules.to_owned(), gated: OnceCell::new(), runtime }
    }

    pub fn set_hook(&mut self, args: &[&str]) {
        let hook = json!([{"path": DEVGATE, "args": args}]);
        self.config["hooks"] = json!({"createRuntime": hook, "poststop": hook});
    }

    /// Hooks as a file has them.
    pub fn set_hooks(&mut self, hooks: Value) {
        self.config["hooks"] = hooks;
    }

    /// Changes anything of its config but the device rules.
    pub fn change_config(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.config);
    }

    /// Makes its root user 100000 on the host.
    pub fn map_users(&mut self) {
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        let linux = &mut self.config["linux"];
        linux["uidMappings"] = map.clone();
        linux["gidMappings"] = map;
        let namespaces = linux["namespaces"].as_array_mut().expect("an array");
        namespaces.push(json!({"type": "user"}));
    }

    /// The bundle's root file system.
    pub fn rootfs(&self) -> PathBuf {
        self.place.dir().join("bundle/rootfs")
    }

    pub fn log(&self) -> String {
        self.place.path("hook.log")
    }

    pub fn hook_runs(&self) -> Vec<HookRun> {
        hook_runs(&self.log())
    }

    /// `runc run`, which leaves the container behind.
    pub fn start(&mut self, steps: &Steps) -> Session {
        self.config["process"]["args"] = json!(["sh", "-c", script(steps)]);
        self.write_config();
        let bundle = self.place.path("bundle");
        let mut command = self.command();
        command.args(["run", "--detach", "--bundle", &bundle, "container"]);
        Session::start(&mut command, &self.place)
    }

    /// A container takes these steps and gets these answers, under devgate's program alone if
    /// it has the hook.
    #[track_caller]
    pub fn expect(mut self, steps: &Steps) {
        let mut session = self.start(steps);
        session.expect(steps);
        let started = session.wait();
        assert_eq!((started.code, started.stderr.as_str()), (Some(0), ""));
        if self.config.get("hooks").is_some() {
            self.gated().assert_running();
        }
        session.finish();
        self.delete();
        if let Some(gated) = self.gated.get() {
            gated.assert_gone();
        }
    }

    /// Looks at the cgroup of a container while that runs.
    #[track_caller]
    pub fn look(mut self, look: impl FnOnce(&Path)) {
        let mut session = self.start(&[]);
        session.expect(&[]);
        look(
            &self
                .place
                .cgroup_shown_at(&format!("{CGROUP2}{}/container", self.place.cgroup_name())),
        );
        session.finish();
        self.delete();
    }

    /// What goes on while the container runs.
    #[track_caller]
    pub fn with_running(mut self, work: impl FnOnce(&Running<'_>)) {
        let mut session = self.start(&[]);
        session.expect(&[]);
        // The runtime writes the container's state after it has started it.
        session.wait();
        let name = format!("{CGROUP2}{}/container", self.place.cgroup_name());
        work(&Running { cgroup: self.place.cgroup_shown_at(&name), runc: &self });
        session.finish();
        self.delete();
    }

    /// runc fails on account of the hook, and nothing is left.
    #[track_caller]
    pub fn expect_failure(&mut self) -> String {
        let stderr = self.start(&[]).expect_failure(1);
        eventually("the container's cgroup is gone", || self.place.cgroups().is_empty());
        stderr
    }

    #[track_caller]
    fn gated(&self) -> &Gated {
        let runs = self.hook_runs();
        let [run] = &runs[..] else { panic!("not one run: {runs:?}") };
        self.gated.get_or_init(|| Gated::new(&self.place, run))
    }

    /// runc deletes only a container that it sees has ended.
    #[track_caller]
    fn delete(&self) {
        eventually("runc deletes the container", || self.output(&["delete"]).status.success());
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command().args(args).arg("container").output().expect("runc can be started")
    }

    fn command(&self) -> Command {
        let mut command = match self.runtime {
            Runtime::Runc => isolated("runc"),
            Runtime::Crun => {
                let mut command = isolated("env");
                command.args([&format!("LD_PRELOAD={}", self.memlock()), "crun"]);
                command
            }
        };
        command.args(["--root", &self.place.path("state")]);
        command
    }

    /// The library to preload, built if need be.
    fn memlock(&self) -> String {
        let library = self.place.path("memlock.so");
        if !Path::new(&library).exists() {
            let source = self.place.path("memlock.c");
            fs::write(&source, include_str!("memlock.c")).expect("a file can be made");
            let status = Command::new("cc")
                .args(["-shared", "-fPIC", "-o", &library, &source])
                .status()
                .expect("cc can be run");
            assert!(status.success(), "cc: {status}");
        }
        library
    }

    fn write_config(&mut self) {
        let devices = DEVICES.trim_matches('"');
        self.config["linux"]["resources"]["devices"] = json!(devices);
        let text = self.config.to_string().replacen(DEVICES, &self.rules, 1);
        let file = self.place.dir().join("bundle/config.json");
        fs::write(file, text).expect("the config can be written");
    }
}

/// A container that runs.
pub struct Running<'r> {
    runc: &'r Runc,
    /// Where this machine shows its cgroup.
    pub cgroup: PathBuf,
}

impl Running<'_> {
    /// Its first process, by the id on the host.
    pub fn pid(&self) -> i32 {
        let state: Value = serde_json::from_slice(&self.runc.output(&["state"]).stdout)
            .expect("runc shows the state as JSON");
        state["pid"].as_i64().and_then(|pid| pid.try_into().ok()).expect("the state has a pid")
    }

    /// What a shell in the container prints, errors too. It is root there.
    pub fn shell(&self, script: &str) -> String {
        let mut command = self.runc.command();
        command.args(["exec", "container", "sh", "-c", script]);
        let Output { stdout, stderr, .. } = command.output().expect("runc can be started");
        String::from_utf8_lossy(&[stdout, stderr].concat()).trim().to_owned()
    }

    /// What a shell of the host's prints that sees the container's files and mounts: it may do
    /// there what it likes.
    pub fn shell_of_host(&self, script: &str) -> String {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid().to_string(), "--mount", "--root", "--wd"]);
        let output = command.args(["/bin/sh", "-c", script]).env("PATH", "/bin").output();
        let Output { stdout, stderr, .. } = output.expect("nsenter can be started");
        String::from_utf8_lossy(&[stdout, stderr].concat()).trim().to_owned()
    }

    /// The root file system's folder, as the host sees it.
    pub fn rootfs(&self) -> PathBuf {
        self.runc.rootfs()
    }
}

impl Drop for Runc {
    fn drop(&mut self) {
        // There is nothing to delete after a test that went well.
        let _ = self.output(&["delete", "--force"]);
    }
}
