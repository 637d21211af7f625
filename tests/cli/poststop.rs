//! `devgate hook` at poststop, and `devgate gc` for what no poststop has removed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use devgate::cgroup::Cgroup;
use devgate::hold::Pins;
use nix::mount::{MntFlags, umount2};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::CONFIG;
use super::common::cgroup::TestCgroup;
use super::common::command::{self, Run, devgate};
use super::common::public::Public;
use super::common::require;
use super::common::sleeper::Sleeper;

const PINS: &str = "/sys/fs/bpf/devgate";
const RECORDS: &str = "/run/devgate/containers";

/// A container that the hook has seen.
struct Container {
    process: Sleeper,
    cgroup: TestCgroup,
    cgroup_id: u64,
}

impl Container {
    fn start(id: &str) -> Container {
        let cgroup = TestCgroup::new();
        let process = Sleeper::within(&cgroup);
        let cgroup_id = cgroup.open().id().expect("a cgroup has an id");
        let container = Container { process, cgroup, cgroup_id };
        let pid = container.process.pid();
        let state = format!(r#"{{"id":"{id}","status":"created","pid":{pid},"bundle":"/b"}}"#);
        devgate(&["hook"], state + CONFIG).success();
        assert!(container.pin().exists() && record(id).exists());
        container
    }

    fn pin(&self) -> PathBuf {
        Path::new(PINS).join(self.cgroup_id.to_string())
    }

    /// Its process ends, and its cgroup goes.
    fn stop(&mut self) {
        self.process.kill();
        self.cgroup.remove().expect("a pin does not hold its cgroup");
        let pins = Pins::open(Path::new(PINS)).expect("the directory is there");
        while !pins.is_dead(self.cgroup_id).expect("the pin can be read") {
            sleep(Duration::from_millis(1));
        }
    }
}

fn record(id: &str) -> PathBuf {
    Path::new(RECORDS).join(format!("{id}.json"))
}

/// As runc and podman write it, without a process.
fn stopped(id: &str) -> String {
    format!(r#"{{"ociVersion":"1.0.2","id":"{id}","status":"stopped","bundle":"/no/bundle"}}"#)
}

fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.expect("it can be read").file_name().into_string().unwrap()).collect()
}

/// A place for a log, which goes with the folder.
fn log() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log");
    (dir, log)
}

/// The log's latest line, without what differs from run to run.
fn last_line(log: &Path) -> Value {
    let text = fs::read_to_string(log).expect("there is a log");
    serde_json::from_str(text.lines().last().expect("it has a line")).expect("it is JSON")
}

fn poststop(state: &str, log: &Path) -> Run {
    let log = log.to_str().expect("a path of text");
    devgate(&["hook", "--log-format", "json", "--log", log], state)
}

#[test]
fn pin_and_record_go_and_a_second_time_there_is_nothing_to_do() {
    if !require::bpf() {
        return;
    }
    let (_dir, log) = log();
    let mut container = Container::start("c1");
    container.stop();
    let pin = json!(container.pin().to_str());
    // crun says that the process is 0.
    let crun = r#"{"ociVersion":"1.0","id":"c1","pid":0,"bundle":"\/no","status":"stopped"}"#;
    for (state, pin) in [(stopped("c1").as_str(), pin), (crun, Value::Null)] {
        poststop(state, &log).success();
        let line = last_line(&log);
        assert_eq!((&line["result"], &line["container"]), (&json!("released"), &json!("c1")));
        assert_eq!((&line["pin"], &line["error"]), (&pin, &Value::Null));
    }
    assert_eq!((names(PINS), names(RECORDS)), (Vec::new(), Vec::new()));
}

/// A runtime that says so before the container starts would let it start unlimited.
#[test]
fn a_container_with_a_process_has_not_stopped() {
    if !require::bpf() {
        return;
    }
    let (_dir, log) = log();
    let container = Container::start("c1");
    let pid = container.process.pid();
    let state = format!(r#"{{"id":"c1","status":"stopped","pid":{pid},"bundle":"/b"}}"#);
    for args in [&["hook"][..], &["hook", "--stage", "poststop"]] {
        let run = devgate(args, state.clone() + CONFIG);
        let why = format!("called at poststop for a container whose process {pid} lives");
        assert_eq!(run.failure(), why);
    }
    assert_eq!(poststop(&state, &log).code, Some(1));
    assert_eq!(last_line(&log)["result"], "failed");
    let run = devgate(&["hook", "--stage", "createRuntime"], stopped("c1"));
    let why = "called at createRuntime, and the state says that the container has stopped";
    assert_eq!(run.failure(), why);
    assert!(container.pin().exists() && record("c1").exists());
}

/// Of another engine, or the same one again.
#[test]
fn another_container_that_has_the_id_by_now_keeps_all() {
    if !require::bpf() {
        return;
    }
    let (_dir, log) = log();
    let container = Container::start("c1");
    let run = poststop(&stopped("c1"), &log);
    let cgroup = container.cgroup.text();
    assert_eq!((run.code, run.text()), (Some(0), ""), "{run:?}");
    let said = format!("container c1 is still in cgroup {cgroup}: nothing is removed");
    assert_eq!(run.complaint(), said);
    let line = last_line(&log);
    assert_eq!((&line["result"], &line["cgroup"]), (&json!("kept"), &json!(cgroup)));
    assert!(container.pin().exists() && record("c1").exists());
    assert_eq!(container.cgroup.ids().len(), 1);
}

#[test]
fn the_stage_that_is_registered_needs_no_status() {
    if !require::bpf() {
        return;
    }
    let mut container = Container::start("c1");
    container.stop();
    devgate(&["hook", "--stage", "poststop"], r#"{"id":"c1"}"#).success();
    assert_eq!((names(PINS), names(RECORDS)), (Vec::new(), Vec::new()));
}

#[test]
fn a_log_that_cant_be_used_is_no_reason_to_keep_them() {
    if !require::bpf() {
        return;
    }
    let mut container = Container::start("c1");
    container.stop();
    let run = devgate(&["hook", "--log", "/no/dir/log"], stopped("c1"));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.complaint().starts_with("warning: log /no/dir/log can't be opened"), "{run:?}");
    assert_eq!((names(PINS), names(RECORDS)), (Vec::new(), Vec::new()));
}

#[test]
fn a_damaged_record_stays_and_is_named() {
    if !require::bpf() {
        return;
    }
    let (_dir, log) = log();
    let mut container = Container::start("c1");
    container.stop();
    fs::write(record("c1"), "{").expect("the record can be damaged");
    let damaged = format!("{} is damaged: ", record("c1").display());
    assert!(poststop(&stopped("c1"), &log).failure().starts_with(&damaged));
    let line = last_line(&log);
    assert_eq!(line["result"], "failed");
    assert!(line["error"].as_str().is_some_and(|error| error.starts_with(&damaged)), "{line}");
    // Its pin is a dead one.
    assert_eq!(names(PINS), [""; 0]);
    let gc = devgate(&["gc"], "");
    assert_eq!(gc.code, Some(1), "{gc:?}");
    assert_eq!(
        gc.text(),
        "removed 0 pins and 0 records of containers that ended; in use: 0 pins and 0 records\n"
    );
    assert!(gc.complaint().starts_with(&damaged), "{gc:?}");
    assert!(record("c1").exists());
}

#[test]
fn without_bpffs_or_records_there_is_nothing_to_remove() {
    if !require::bpf() {
        return;
    }
    let mut container = Container::start("c1");
    container.stop();
    umount2("/sys/fs/bpf", MntFlags::MNT_DETACH).expect("the bpffs is the test's own");
    devgate(&["hook"], stopped("c1")).success();
    assert_eq!(names(RECORDS), [""; 0]);
    devgate(&["hook"], stopped("c1")).success();
    umount2("/run/devgate", MntFlags::MNT_DETACH).expect("the tmpfs is the test's own");
    devgate(&["hook"], stopped("c1")).success();
    devgate(&["hook"], stopped("no id of ours/..")).success();
    let nothing =
        "removed 0 pins and 0 records of containers that ended; in use: 0 pins and 0 records\n";
    assert_eq!(devgate(&["gc"], "").success(), nothing);
}

#[test]
fn who_is_not_root_can_remove_nothing() {
    if !require::bpf() {
        return;
    }
    let mut container = Container::start("c1");
    container.stop();
    let public = Public::new();
    let run = public.run(&["hook"], &stopped("c1"));
    assert!(run.failure().contains("/run/devgate"), "{run:?}");
    let run = public.run(&["gc"], "");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.lines().any(|line| line.contains("/run/devgate")), "{run:?}");
    assert!(container.pin().exists() && record("c1").exists());
    // As in a rootless container, for which the hook has done nothing at first either.
    let mut rootless = Command::new("setpriv");
    rootless.args(["--clear-groups", "--reuid=1000", "--regid=1000", "unshare", "--user"]);
    rootless.arg("--map-root-user").arg(public.devgate()).arg("hook");
    let run = command::run(&mut rootless, stopped("c1"));
    assert_eq!((run.code, run.text()), (Some(0), ""), "{run:?}");
    assert!(container.pin().exists());
    devgate(&["hook"], stopped("c1")).success();
}

/// Ended without a poststop hook.
#[test]
fn a_run_of_the_hook_removes_dead_pins_and_gc_removes_the_rest() {
    if !require::bpf() {
        return;
    }
    for id in ["dead1", "dead2", "dead3"] {
        Container::start(id).stop();
    }
    let live = Container::start("live");
    let live_pin = live.cgroup_id.to_string();
    assert_eq!(names(PINS), [live_pin.as_str()], "the hook removed the dead ones");
    assert_eq!(names(RECORDS).iter().filter(|name| name.ends_with(".json")).count(), 4);

    let mut other = Container::start("other");
    other.stop();
    let dry = devgate(&["gc", "--dry-run", "--json"], "");
    let dry: Value = serde_json::from_str(dry.success()).expect("it is JSON");
    let expected = json!({
        "dry_run": true,
        "pins": {"dead": [other.cgroup_id], "in_use": 1},
        "records": {"dead": ["dead1", "dead2", "dead3", "other"], "in_use": 1},
        "denials": null,
        "recordings": {"dead": [], "in_use": 0},
        "errors": [],
    });
    assert_eq!(dry, expected);
    let said = "of containers that ended; in use: 1 pin and 1 record\n";
    let would = format!("would remove 1 pin and 4 records {said}");
    assert_eq!(devgate(&["gc", "--dry-run"], "").success(), would);
    let removed = format!("removed 1 pin and 4 records {said}");
    assert_eq!(devgate(&["gc"], "").success(), removed);
    assert_eq!(names(PINS), [live_pin]);
    let mut left = names(RECORDS);
    left.sort();
    assert_eq!(left, ["live.json", "live.lock"]);
    assert_eq!(live.cgroup.ids().len(), 1);
    let again = format!("removed 0 pins and 0 records {said}");
    assert_eq!(devgate(&["gc"], "").success(), again);
}

/// What goes wrong with others' pins is a warning, and no container fails by it.
#[test]
fn a_pin_that_cant_be_swept_is_a_warning_at_most() {
    if !require::bpf() {
        return;
    }
    let first = Container::start("first");
    // A directory where a pin would be.
    fs::create_dir(Path::new(PINS).join("7")).expect("bpffs has directories");
    let cgroup = TestCgroup::new();
    let process = Sleeper::within(&cgroup);
    let pid = process.pid();
    let state = format!(r#"{{"id":"c2","status":"created","pid":{pid},"bundle":"/b"}}"#);
    let run = devgate(&["hook"], state + CONFIG);
    assert_eq!((run.code, run.text()), (Some(0), ""), "{run:?}");
    assert_eq!(cgroup.ids().len(), 1);
    fs::remove_dir(Path::new(PINS).join("7")).expect("it is there still");
    assert!(first.pin().exists());
    let mode = fs::metadata(PINS).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

/// The record has the cgroup's id, which tells the two apart.
#[test]
fn the_cgroup_at_the_same_path_is_another_one() {
    if !require::bpf() {
        return;
    }
    let mut container = Container::start("c1");
    container.stop();
    fs::create_dir(container.cgroup.path()).expect("the path is free");
    assert_ne!(Cgroup::open(container.cgroup.path()).unwrap().id().unwrap(), container.cgroup_id);
    devgate(&["hook"], stopped("c1")).success();
    assert_eq!((names(PINS), names(RECORDS)), (Vec::new(), Vec::new()));
}
