//! A container ends in some way, and its recording is written.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::common::command::devgate;
use crate::common::opener::serve_if_child;
use crate::common::public::Public;
use crate::common::require;
use crate::stage::{Container, Place, assert_nothing_is_left, names_in, request, show};

const FILE: &str = "/var/lib/devgate/recordings/web.json";

/// A container that was recorded as `web`, and killed: no hook ran.
fn killed(test: &str) {
    let mut container = Container::new("c1", Place::Below, test);
    container.hook(&["--record=web"], &json!({})).success();
    container.opener.verdict(&request("c 1:11 r"));
    container.kill();
}

/// Who comes by writes what was recorded of a container that was killed.
#[test]
fn nothing_is_lost_when_no_hook_runs_at_the_end() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "ends::nothing_is_lost_when_no_hook_runs_at_the_end";
    let commands: [&[&str]; 4] =
        [&["gc"], &["guard", "--once"], &["record", "list"], &["hook", "--stage", "poststop"]];
    for (index, command) in commands.iter().enumerate() {
        println!("{command:?}");
        killed(test);
        let run = devgate(command, r#"{"id":"other","status":"stopped","pid":0}"#);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_nothing_is_left();
        let shown = show("web");
        assert_eq!(shown.runs().len(), index + 1);
        assert_eq!(shown.count("c 1:11 r", "deny"), index as u64 + 1);
        assert!(shown.runs().iter().all(|run| run["progress"] == "ended"));
    }
    // Nothing of it is written twice.
    devgate(&["gc"], "").success();
    assert_eq!(show("web").runs().len(), commands.len());
}

#[test]
fn a_dry_run_writes_nothing() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    killed("ends::a_dry_run_writes_nothing");
    let run = devgate(&["gc", "--dry-run"], "");
    let line = "would write recording web of a container that ended\n";
    assert!(run.success().ends_with(line), "{run:?}");
    assert!(!fs::exists(FILE).expect("it can be told"));
    let run = devgate(&["gc", "--json"], "");
    assert!(run.success().contains(r#""recordings":{"dead":["web"],"in_use":0}"#), "{run:?}");
    assert!(fs::exists(FILE).expect("it can be told"));
}

/// Somebody who is killed has written the recording, and left the pins.
#[test]
fn a_run_that_is_written_twice_counts_once() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "ends::a_run_that_is_written_twice_counts_once";
    let mut container = Container::new("c1", Place::Below, test);
    container.hook(&["--record=web"], &json!({})).success();
    for count in 1..4 {
        container.opener.verdict(&request("c 1:11 r"));
        assert_eq!(show("web").count("c 1:11 r", "deny"), count);
    }
    container.kill();
    let shown = show("web");
    assert_eq!((shown.runs().len(), shown.count("c 1:11 r", "deny")), (1, 3));
}

#[test]
fn a_recording_that_cant_be_written_is_not_lost() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "ends::a_recording_that_cant_be_written_is_not_lost";
    let elsewhere = tempfile::NamedTempFile::new().expect("a file");
    fs::write(elsewhere.path(), "{}").expect("it can be written");
    fs::create_dir("/var/lib/devgate/recordings").expect("a directory");
    set_private("/var/lib/devgate/recordings");
    symlink(elsewhere.path(), FILE).expect("a link");
    killed(test);
    let run = devgate(&["gc"], "");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.complaint().contains("web.json can't be read: not a regular file"), "{run:?}");
    assert_eq!(fs::read_to_string(elsewhere.path()).expect("text"), "{}");
    fs::remove_file(FILE).expect("it is there");
    fs::write(FILE, "{").expect("it can be written");
    let run = devgate(&["gc"], "");
    assert!(run.complaint().contains("web.json is damaged"), "{run:?}");
    assert_eq!(names_in("/sys/fs/bpf/devgate/record").len(), 1);

    fs::remove_file(FILE).expect("it is there");
    devgate(&["gc"], "").success();
    assert_eq!(show("web").count("c 1:11 r", "deny"), 1);
    assert_nothing_is_left();
}

fn set_private(dir: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).expect("it is ours");
}

/// Somebody emptied /run/devgate.
#[test]
fn what_is_pinned_is_found_without_its_file() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "ends::what_is_pinned_is_found_without_its_file";
    let mut container = Container::new("c1", Place::Below, test);
    container.hook(&["--record=web"], &json!({})).success();
    container.opener.verdict(&request("c 1:11 r"));
    let id = container.cgroup_id();
    container.kill();
    fs::remove_dir_all("/run/devgate/recordings").expect("it is there");
    devgate(&["gc"], "").success();
    assert_eq!(show(&format!("cgroup-{id}")).count("c 1:11 r", "deny"), 1);
    assert_nothing_is_left();
}

#[test]
fn a_running_container_is_recorded_from_now_on_until_it_is_stopped() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "ends::a_running_container_is_recorded_from_now_on_until_it_is_stopped";
    let mut container = Container::new("c1", Place::Below, test);
    container.hook(&[], &json!({})).success();
    container.opener.verdict(&request("c 1:11 r"));
    let cgroup = container.cgroup.text().to_owned();
    let run = devgate(&["record", "start", "c1"], "");
    assert_eq!(run.success(), format!("recording {cgroup} as c1\n"));
    let other = devgate(&["record", "start", "c1", "--name", "other"], "");
    assert!(other.failure().ends_with("is being recorded already, as c1"), "{other:?}");
    container.opener.verdict(&request("c 1:11 r"));
    container.opener.verdict(&request("c 1:5 r"));
    let run = devgate(&["record", "remove", "c1"], "");
    assert!(run.failure().contains("recording c1 goes on"), "{run:?}");
    assert_eq!(
        devgate(&["record", "stop", "c1"], "").success(),
        "stopped; devgate record show c1\n"
    );
    container.opener.verdict(&request("c 1:5 r"));
    let shown = show("c1");
    assert_eq!((shown.count("c 1:11 r", "deny"), shown.count("c 1:5 r", "allow")), (1, 1));
    assert_eq!(shown.runs()[0]["progress"], "stopped");
    let again = devgate(&["record", "stop", &cgroup], "");
    assert!(again.failure().contains("is not being recorded"), "{again:?}");
    assert_nothing_is_left();
    devgate(&["record", "remove", "c1"], "").success();
    let run = devgate(&["record", "show", "c1"], "");
    assert!(run.failure().starts_with("there is no recording c1"), "{run:?}");
}

#[test]
fn what_finds_no_room_is_told() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "ends::what_finds_no_room_is_told";
    let mut container = Container::new("c1", Place::Below, test);
    container.hook(&[], &json!({})).success();
    devgate(&["record", "start", "c1", "--rows", "100"], "").success();
    for minor in 0..10_000 {
        container.opener.ask(&request(&format!("c 600:{minor} m")));
    }
    let run = devgate(&["record", "show", "c1"], "");
    let lost = "9900 requests found no room, so rules may be missing (--rows)";
    assert!(run.stderr.contains(lost), "{}", run.stderr);
    assert_eq!(run.text().matches(r#""allow":true"#).count(), 100);
    container.kill();
    assert!(devgate(&["record", "show", "c1"], "").stderr.contains(lost));
}

/// The program may call itself what it likes.
#[test]
fn a_hostile_name_stays_one_word() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "ends::a_hostile_name_stays_one_word";
    let container = Container::new("c1", Place::Below, test);
    container.hook(&["--record=web"], &json!({})).success();
    let script = r#"echo $$ > "$1/cgroup.procs"; printf 'e\033[2J\n"\302\233x' > /proc/$$/comm; : < /dev/full"#;
    let status = std::process::Command::new("sh")
        .args(["-ec", script, "sh", container.cgroup.text()])
        .status();
    assert!(status.expect("sh").success());
    for format in ["rules", "table", "json", "podman"] {
        let run = devgate(&["record", "show", "web", "--format", format], "");
        let is_clean = !run.text().chars().any(|c| c.is_control() && c != '\n');
        assert!(is_clean && !run.stderr.contains('\u{1b}'), "{run:?}");
        let named = run.text().contains("e\\u{1b}[2J") || run.text().contains("e\\\\u{1b}[2J");
        assert!(named || format == "podman", "{run:?}");
        if format == "rules" {
            let rules: serde_json::Value = serde_json::from_str(run.text()).expect("JSON");
            assert_eq!(rules.as_array().map(Vec::len), Some(1), "{run:?}");
        }
    }
}

#[test]
fn only_root_records() {
    let run = Public::new().run(&["record", "list"], "");
    let line = "recordings are root's: only root can record containers and read what was recorded";
    assert_eq!(run.failure(), line);
}

/// What a program denies that was attached after the observer looks allowed to it.
#[test]
fn nothing_is_learnt_that_a_later_program_may_have_denied() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "ends::nothing_is_learnt_that_a_later_program_may_have_denied";
    let mut container = Container::new("c1", Place::Top, test);
    let cgroup = container.cgroup.text().to_owned();
    devgate(&["record", "start", "--name", "late", &cgroup], "").success();
    let rules = r#"{"ociVersion":"1.0.2","linux":{"resources":{"devices":[
        {"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":5,"access":"r"}]}}}"#;
    devgate(&["apply", "--cgroup", &cgroup, "--config", "-"], rules).success();
    assert_eq!(container.opener.verdict(&request("c 1:11 r")), devgate::policy::Verdict::Deny);
    devgate(&["record", "stop", &cgroup], "").success();
    let shown = show("late");
    assert_eq!(shown.count("c 1:11 r", "unknown"), 1);
    assert_eq!(devgate(&["record", "show", "late"], "").text(), "[]\n");
}
