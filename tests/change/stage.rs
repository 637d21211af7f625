//! A container without an engine: a process in a cgroup that the hook was run for.

use std::fs;
use std::path::PathBuf;

use devgate::change::Stores;
use devgate::container::{ContainerId, Record};
use devgate::inspect::{Answer, Links, inspect, judge};
use tempfile::TempDir;

use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate};
use super::common::sleeper::Sleeper;

/// It may read /dev/kmsg, use /dev/net/tun, and what every container may.
pub const CONFIG: &str = r#"{"ociVersion":"1.2.0","root":{"path":"rootfs"},"linux":{"resources":{"devices":[
    {"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":10,"minor":200,"access":"rw"},
    {"allow":true,"type":"c","major":1,"minor":11,"access":"r"}
]}}}"#;

pub const FUSE: &str = "c 10:229 rw";

pub struct Stage {
    // Dropped in this order.
    container: Sleeper,
    pub cgroup: TestCgroup,
    bundle: TempDir,
    pub id: String,
}

impl Stage {
    /// A container in this cgroup, which the hook has seen.
    pub fn in_cgroup(cgroup: TestCgroup, id: &str) -> Stage {
        let container = Sleeper::within(&cgroup);
        let bundle = tempfile::tempdir().expect("a folder");
        fs::write(bundle.path().join("config.json"), CONFIG).expect("a file");
        let stage = Stage { container, cgroup, bundle, id: id.to_owned() };
        stage.start();
        stage
    }

    pub fn new() -> Stage {
        Stage::in_cgroup(TestCgroup::new(), "container")
    }

    /// Runs the hook, as the runtime does when the container starts.
    #[track_caller]
    pub fn start(&self) {
        let run = devgate(&["hook"], self.state());
        assert_eq!(run.code, Some(0), "{run:?}");
    }

    pub fn state(&self) -> String {
        let (id, pid) = (&self.id, self.pid());
        let bundle = self.bundle.path().display();
        format!(
            r#"{{"ociVersion":"1.2.0","id":"{id}","status":"created","pid":{pid},"bundle":"{bundle}"}}"#
        )
    }

    pub fn pid(&self) -> u32 {
        self.container.pid()
    }

    /// Ends the container.
    pub fn end(&mut self) {
        self.container.kill();
    }

    /// A command about this container: `C` stands for its id.
    pub fn run(&self, args: &[&str]) -> Run {
        let args: Vec<&str> =
            args.iter().map(|arg| if *arg == "C" { self.id.as_str() } else { *arg }).collect();
        devgate(&args, "")
    }

    /// The same, which goes well. Returns what it prints.
    #[track_caller]
    pub fn runs(&self, args: &[&str]) -> String {
        self.run(args).success().to_owned()
    }

    /// The line of a command that fails, and that has changed nothing.
    #[track_caller]
    pub fn fails(&self, args: &[&str]) -> String {
        let before = self.everything();
        let line = self.run(args).failure().to_owned();
        assert_eq!(self.everything(), before, "{args:?}");
        line
    }

    /// Whether the cgroup's programs let this pass, with those above it.
    pub fn allows(&self, request: &str) -> bool {
        let inspection = inspect(self.cgroup.open(), &Links::default()).expect("it can be seen");
        let request = request.parse().expect("a request");
        judge(&inspection, &request).together == Answer::Allows
    }

    pub fn record_file(&self) -> PathBuf {
        PathBuf::from(format!("/run/devgate/containers/{}.json", self.id))
    }

    pub fn record(&self) -> Record {
        let id: ContainerId = self.id.parse().expect("an id");
        let stores = Stores::open().expect("they can be opened");
        stores.records.get(&id).expect("it can be read").expect("there is one")
    }

    /// The rules of what was granted and revoked.
    pub fn grants(&self) -> Vec<String> {
        self.record().grants.iter().map(|grant| grant.rule.to_string()).collect()
    }

    /// What must be as it was after a failure.
    pub fn everything(&self) -> (Vec<devgate::kernel::ProgId>, String, Option<String>) {
        let record = fs::read_to_string(self.record_file()).unwrap_or_default();
        let kept = format!("/var/lib/devgate/kept/{}.json", self.id);
        (self.cgroup.ids(), record, fs::read_to_string(kept).ok())
    }
}
