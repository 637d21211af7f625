//! Runtime specs as containerd's users write them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::engine::place::Place;
use crate::common::engine::{DEVGATE, rootfs};
use crate::version::Version;

/// A runtime spec, of one container or as the base of many.
pub struct Spec(Value);

impl Spec {
    /// What `ctr oci spec` prints, with these createRuntime hooks.
    pub fn new(version: Version, hooks: &[Value]) -> Spec {
        let output = Command::new(version.programs().join("ctr")).args(["oci", "spec"]).output();
        let output = output.expect("ctr can be run");
        let mut spec: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        spec["hooks"] = json!({"createRuntime": hooks});
        // CRI sets none by itself, so these would be every pod's.
        spec["process"]["rlimits"] = json!([]);
        Spec(spec)
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

    /// Writes it, and gives the path.
    pub fn write(&self, file: PathBuf) -> String {
        fs::write(&file, self.0.to_string()).expect("a file can be made");
        file.into_os_string().into_string().expect("the path is text")
    }
}

/// devgate as a hook, with a log in this place.
pub fn devgate(place: &Place) -> Value {
    let log = place.path("hook.log");
    json!({"path": DEVGATE, "args": ["devgate", "hook", "--log", log, "--log-format", "json"]})
}

/// Another hook, which makes this file.
pub fn foreign(file: &str) -> Value {
    json!({"path": rootfs::BUSYBOX, "args": ["busybox", "touch", file]})
}
