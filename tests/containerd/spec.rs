//! Runtime specs as containerd's users write them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::command::{Run, command, run};
use crate::common::engine::place::Place;
use crate::common::engine::rootfs;
use crate::daemon;
use crate::version::Version;

/// A runtime spec, of one container or as the base of many.
pub struct Spec(Value);

impl Spec {
    /// What `devgate install containerd` makes of what this version's `ctr oci spec` prints, with
    /// a log in this place.
    pub fn new(version: Version, place: &Place) -> Spec {
        let mut install = installer(&["containerd", "--print"], place);
        let run = run(install.env("PATH", version.path()), "");
        assert_eq!(run.code, Some(0), "{run:?}");
        Spec(serde_json::from_str(run.text()).expect("it is JSON"))
    }

    /// The base spec that `devgate install containerd --apply` makes pods' containers have.
    pub fn apply(version: Version, place: &Place) -> Spec {
        let config = daemon::config(place);
        let mut install = installer(&["containerd", "--apply", "--config", &config], place);
        run(install.env("PATH", version.path()), "").success();
        let text = fs::read_to_string(base(place)).expect("there is a base spec");
        Spec(serde_json::from_str(&text).expect("it is JSON"))
    }

    /// Hooks before and after devgate, which make these files.
    pub fn add_hooks_around(&mut self, before: &str, after: &str) {
        let hooks = self.0["hooks"]["createRuntime"].as_array_mut().expect("there are hooks");
        hooks.insert(0, foreign(before));
        hooks.push(foreign(after));
    }

    /// Adds options of devgate's hook.
    pub fn add_hook_options(&mut self, options: &[&str]) {
        for stage in ["createRuntime", "poststop"] {
            let args = self.0["hooks"][stage][0]["args"].as_array_mut().expect("a hook");
            args.extend(options.iter().map(|option| json!(option)));
        }
    }

    /// Makes it that of a container in this place, which runs a shell script.
    pub fn set_container(&mut self, place: &Place, script: &str) {
        self.0["root"]["path"] = json!(place.path("rootfs"));
        self.0["linux"]["cgroupsPath"] = json!(format!("{}/container", place.cgroup_name()));
        self.0["process"]["args"] = json!(["sh", "-c", script]);
        self.0["process"]["env"] = json!(["PATH=/bin"]);
    }

    /// Sets the device rules, which are JSON.
    pub fn set_rules(&mut self, rules: &str) {
        let rules = serde_json::from_str(rules).expect("the rules are JSON");
        self.0["linux"]["resources"]["devices"] = rules;
    }

    /// Adds c 510:7 as /dev/given.
    pub fn add_device(&mut self, permissions: &str) {
        let device = json!({"path": "/dev/given", "type": "c", "major": 510, "minor": 7});
        self.0["linux"]["devices"] = json!([device]);
        self.0["linux"]["resources"]["devices"] = json!([
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 510, "minor": 7, "access": permissions},
        ]);
    }

    /// Writes it over the base spec.
    pub fn write_base(&self, place: &Place) {
        self.write(base(place));
    }

    /// Writes it, and gives the path.
    pub fn write(&self, file: PathBuf) -> String {
        fs::write(&file, self.0.to_string()).expect("a file can be made");
        file.into_os_string().into_string().expect("the path is text")
    }
}

/// Beside the configuration.
fn base(place: &Place) -> PathBuf {
    place.dir().join("devgate-base.json")
}

/// `devgate install`, with a log in this place.
pub fn install(args: &[&str], place: &Place) -> Run {
    run(&mut installer(args, place), "")
}

/// By force, as others may be allowed to change what is built here.
fn installer(args: &[&str], place: &Place) -> Command {
    let log = place.path("hook.log");
    let mut install = command(&[&["install"], args].concat());
    install.args(["--force", "--log", &log, "--log-format", "json"]);
    install
}

/// Another hook, which makes this file.
fn foreign(file: &str) -> Value {
    json!({"path": rootfs::BUSYBOX, "args": ["busybox", "touch", file]})
}
