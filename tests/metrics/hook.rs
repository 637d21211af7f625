//! Each run of the hook is counted, however it ends.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;

use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::require;
use super::common::sleeper::Sleeper;
use super::{CONFIG, value};

const STATS: &str = "/run/devgate/hook-stats";

fn state(id: &str, pid: u32) -> String {
    format!(r#"{{"ociVersion":"1.2.0","id":"{id}","status":"creating","pid":{pid},"bundle":"/x"}}"#)
}

const STOPPED: &str = r#"{"ociVersion":"1.2.0","id":"c9","status":"stopped","bundle":"/x"}"#;

fn metrics() -> String {
    devgate(&["metrics"], "").success().to_owned()
}

#[track_caller]
fn assert_failures(text: &str, stage: &str, reason: &str, count: u64) {
    let series = format!("devgate_hook_failures_total{{stage=\"{stage}\",reason=\"{reason}\"}}");
    assert_eq!(value(text, &series), count, "{series}");
}

#[test]
fn runs_and_failures_are_counted_by_stage_and_reason() {
    if !require::bpf() {
        return;
    }
    let runs =
        |text: &str, stage| value(text, &format!("devgate_hook_runs_total{{stage=\"{stage}\"}}"));
    assert_eq!(runs(&metrics(), "createRuntime"), 0);
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let good = || state("c1", container.pid()) + CONFIG;
    devgate(&["hook"], good()).success();
    devgate(&["hook"], STOPPED).success();
    // Nothing is counted of what is not done.
    devgate(&["hook", "--dry-run"], good()).success();
    // Each of these starts no container.
    let failures: [(&[&str], String, &str, &str); 7] = [
        (&["hook", "--no-such-option"], good(), "unknown", "usage"),
        (&["hook"], "{".into(), "unknown", "input"),
        (&["hook", "--stage", "createRuntime"], "{".into(), "createRuntime", "input"),
        (&["hook"], state("c1", container.pid()) + "{\"linux\":7}", "createRuntime", "input"),
        (&["hook", "--log", "/proc/x/log"], good(), "createRuntime", "log"),
        (&["hook"], state("c1", 1 << 22) + CONFIG, "createRuntime", "cgroup"),
        (&["hook", "--stage", "poststop"], state("c1", container.pid()), "poststop", "release"),
    ];
    for (args, input, _, reason) in &failures {
        assert_ne!(devgate(args, input).code, Some(0), "{reason}");
    }
    let text = metrics();
    for (_, _, stage, reason) in &failures {
        let same = failures.iter().filter(|(.., s, r)| (s, r) == (stage, reason)).count();
        assert_failures(&text, stage, reason, same as u64);
    }
    for (stage, expected) in [("createRuntime", 5), ("poststop", 2), ("unknown", 2)] {
        assert_eq!(runs(&text, stage), expected, "{stage}");
        let count = format!("devgate_hook_duration_seconds_count{{stage=\"{stage}\"}}");
        let all = format!("devgate_hook_duration_seconds_bucket{{stage=\"{stage}\",le=\"+Inf\"}}");
        assert_eq!((value(&text, &count), value(&text, &all)), (expected, expected));
    }
    let file = fs::metadata(STATS).expect("it is there");
    assert_eq!((file.mode() & 0o7777, file.uid()), (0o600, 0));
}

#[test]
fn sixteen_hooks_at_once_are_sixteen_runs() {
    if !require::bpf() {
        return;
    }
    let cgroups: Vec<TestCgroup> = (0..16).map(|_| TestCgroup::new()).collect();
    let containers: Vec<Sleeper> = cgroups.iter().map(Sleeper::within).collect();
    // A thread has the mounts of the one that made it.
    thread::scope(|scope| {
        for (place, container) in containers.iter().enumerate() {
            scope.spawn(move || {
                let input = state(&format!("c{place}"), container.pid()) + CONFIG;
                devgate(&["hook"], input).success();
            });
        }
    });
    let text = metrics();
    assert_eq!(value(&text, "devgate_hook_runs_total{stage=\"createRuntime\"}"), 16);
}

/// The container starts, and the operator is told.
#[test]
fn statistics_that_can_not_be_used_fail_no_container() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let hook = || devgate(&["hook"], state("c1", container.pid()) + CONFIG);
    hook().success();
    fs::write(STATS, "damaged").expect("it can be written");
    let unread = devgate(&["metrics"], "");
    let why = format!("no numbers about hook: {STATS}: it has 7 bytes in place of 704");
    assert_eq!((unread.code, unread.complaint()), (Some(1), why.as_str()));
    assert_eq!(value(unread.text(), "devgate_collector_success{collector=\"hook\"}"), 0);
    assert!(!unread.text().contains("devgate_hook_runs"));
    let replaced = hook();
    let why = "warning: the hook's statistics begin anew: it has 7 bytes in place of 704";
    assert_eq!((replaced.code, replaced.complaint()), (Some(0), why));
    assert_eq!(value(&metrics(), "devgate_hook_runs_total{stage=\"createRuntime\"}"), 1);
    fs::remove_file(STATS).expect("it is there");
    fs::create_dir(STATS).expect("a directory can be made");
    let uncounted = hook();
    assert_eq!(uncounted.code, Some(0), "{uncounted:?}");
    let why = format!("warning: this run is not counted: {STATS} can't be opened: ");
    assert!(uncounted.complaint().starts_with(&why), "{uncounted:?}");
    assert_eq!(cgroup.ids().len(), 1);
}
