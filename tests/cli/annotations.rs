//! What a container may ask for by annotations: to be limited further, or to be observed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::CONFIG;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate};
use super::common::require;
use super::common::sleeper::Sleeper;

/// A container, and a place for its logs.
struct Stage {
    container: Sleeper,
    cgroup: TestCgroup,
    dir: TempDir,
}

impl Stage {
    fn new() -> Stage {
        let cgroup = TestCgroup::new();
        let container = Sleeper::within(&cgroup);
        Stage { container, cgroup, dir: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("a path of text").to_owned()
    }

    /// A hook that is registered with a log, and this folder for the logs of containers.
    fn hook(&self, args: &[&str], annotations: &Value) -> Run {
        let state = json!({"id": "c1", "pid": self.container.pid(), "annotations": annotations});
        let (log, logs) = (self.path("registered.log"), self.path("logs"));
        let registered = ["hook", "--log", &log, "--log-format", "json", "--log-dir", &logs];
        devgate(&[&registered, args].concat(), state.to_string() + CONFIG)
    }

    fn lines(&self, log: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(log)).expect("there is a log");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

#[test]
fn default_devices_can_be_done_without() {
    let policy = |args: &[&str], annotations: &str| {
        let state = format!(r#"{{"id":"c1","annotations":{annotations}}}"#);
        let run = devgate(&[&["hook", "--dry-run"], args].concat(), state + CONFIG);
        run.success().to_owned()
    };
    let asked = r#"{"io.devgate.default-devices":"none"}"#;
    let none = policy(&["--default-devices", "none"], "{}");
    assert_ne!(policy(&[], "{}"), none);
    for mode in ["base", "append", "none"] {
        assert_eq!(policy(&["--default-devices", mode], asked), none);
    }
}

#[test]
fn access_can_not_be_widened() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    for value in ["base", "append", ""] {
        let run = stage
            .hook(&["--default-devices", "none"], &json!({"io.devgate.default-devices": value}));
        let why = format!("{value:?} could widen access (only \"none\" can't)");
        assert_eq!(run.failure(), format!("annotation io.devgate.default-devices: {why}"));
        assert_eq!(stage.cgroup.ids(), []);
    }
    assert_eq!(stage.lines("registered.log").len(), 3);
    assert_eq!(stage.lines("registered.log")[0]["container"], "c1");
}

#[test]
fn a_log_of_its_own_is_written_beside_the_registered_one() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let absolute = stage.path("logs/c1.log");
    stage.hook(&[], &json!({"io.devgate.log": "c1.log"})).success();
    stage.hook(&[], &json!({"io.devgate.log": absolute})).success();
    assert_eq!(stage.lines("logs/c1.log"), stage.lines("registered.log"));
    assert_eq!(stage.lines("logs/c1.log").len(), 2);
    let mode = |path: &str| fs::metadata(stage.path(path)).expect("it is there").mode() & 0o7777;
    assert_eq!((mode("logs"), mode("logs/c1.log")), (0o700, 0o600));
}

#[test]
fn a_log_elsewhere_stops_the_container() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let victim = stage.path("victim");
    fs::write(&victim, "as it was").expect("a file can be written");
    fs::create_dir_all(stage.path("logs/folder")).expect("a folder can be made");
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(stage.path("logs"), private).expect("its mode can be set");
    symlink(&victim, stage.path("logs/link")).expect("a link can be made");
    fs::hard_link(&victim, stage.path("logs/hard")).expect("a link can be made");
    for value in [victim.as_str(), "../victim", "folder/x", "", ".."] {
        let run = stage.hook(&[], &json!({"io.devgate.log": value}));
        let why = format!(
            "{value:?} is no name of letters, digits and ._- right in {}",
            stage.path("logs")
        );
        assert_eq!(run.failure(), format!("annotation io.devgate.log: {why}"));
    }
    for (name, why) in [
        ("link", "Too many levels of symbolic links (os error 40)"),
        ("folder", "Is a directory (os error 21)"),
        ("hard", "not a regular file of this one name"),
    ] {
        let run = stage.hook(&[], &json!({"io.devgate.log": name}));
        let log = stage.path(&format!("logs/{name}"));
        assert_eq!(run.failure(), format!("log {log} can't be opened: {why}"));
    }
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(stage.path("logs"), open).expect("its mode can be set");
    let run = stage.hook(&[], &json!({"io.devgate.log": "new"}));
    let why = format!("{} can be changed by others (mode 0777); ", stage.path("logs"));
    assert!(run.failure().contains(&why), "{run:?}");
    assert_eq!(stage.cgroup.ids(), []);
    assert_eq!(fs::read_to_string(victim).expect("it is there"), "as it was");
}

#[test]
fn an_unknown_annotation_is_warned_about() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let run = stage.hook(&[], &json!({"io.devgate.defaults": "none", "org.example": "x"}));
    let warning = "annotation \"io.devgate.defaults\" is unknown, passed over";
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.complaint(), format!("warning: {warning}"));
    assert_eq!(stage.lines("registered.log")[0]["warnings"], json!([warning]));
    assert_eq!(stage.cgroup.ids().len(), 1);
}
