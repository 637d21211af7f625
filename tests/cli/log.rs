//! The hook's log: engines drop what a hook prints, or lose it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::CONFIG;
use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate};
use super::common::require;
use super::common::sleeper::Sleeper;

/// A container, and a place for a log.
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

    fn log(&self) -> PathBuf {
        self.dir.path().join("devgate.log")
    }

    fn hook(&self, id: &str, format: &str, log: &Path) -> Run {
        let pid = self.container.pid();
        let state = format!(r#"{{"id":"{id}","pid":{pid},"bundle":"/no/bundle"}}{CONFIG}"#);
        let log = log.to_str().expect("a path of text");
        devgate(&["hook", "--log-format", format, "--log", log], state)
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log()).expect("there is a log");
        assert!(text.ends_with('\n'), "{text}");
        text.lines().map(str::to_owned).collect()
    }

    fn id(&self) -> String {
        let [id] = self.cgroup.ids()[..] else { panic!("{:?}", self.cgroup.ids()) };
        id.to_string()
    }
}

/// What is between the time and how long it took, both of which vary.
fn middle(line: &str) -> &str {
    let (time, rest) = line.split_once(' ').expect("a time");
    assert!(time.starts_with("20") && time.ends_with('Z') && time.len() == 24, "{line}");
    let (rest, took) = rest.rsplit_once(' ').expect("how long it took");
    let number = took.strip_prefix("took=").and_then(|took| took.strip_suffix("us"));
    assert!(number.is_some_and(|number| number.parse::<u64>().is_ok()), "{line}");
    rest
}

fn instructions() -> usize {
    devgate(&["compile", "--config", "-", "--format", "raw"], CONFIG).stdout.len() / 8
}

#[test]
fn a_line_of_text_for_each_run() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let (log, cgroup, insns) = (stage.log(), stage.cgroup.text(), instructions());
    stage.hook("c1", "text", &log).success();
    let first = stage.id();
    stage.hook(r"c 2\n", "text", &log).success();
    let second = stage.id();
    let lines = stage.lines();
    let lines: Vec<&str> = lines.iter().map(|line| middle(line)).collect();
    let head = "devgate attached container";
    assert_eq!(
        lines,
        [
            format!("{head}=c1 cgroup={cgroup} program={first} insns={insns} detached=-"),
            format!(
                r#"{head}="c 2\n" cgroup={cgroup} program={second} insns={insns} detached={first}"#
            ),
        ]
    );
}

#[test]
fn an_object_for_each_run() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let log = stage.log();
    stage.hook("c1", "json", &log).success();
    let first = stage.cgroup.ids()[0].number();
    let held = Foreign::allowing("held");
    let _link = held.link(std::os::fd::AsFd::as_fd(&stage.cgroup.open()));
    let run = stage.hook(r"c\u001b\n2", "json", &log);
    let warning = format!("warning: program {} stays attached: it is held by a bpf_link", held.id);
    assert_eq!((run.code, run.complaint()), (Some(0), warning.as_str()));
    let lines = stage.lines();
    assert_eq!(lines.len(), 2);
    let mut lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let line = lines.next().expect("the first");
    assert_eq!(line["result"], "attached");
    assert_eq!(line["container"], "c1");
    assert_eq!(line["cgroup"], stage.cgroup.text());
    assert_eq!(line["program"], first);
    assert_eq!(line["insns"], instructions());
    assert_eq!(line["detached"], json!([]));
    assert_eq!(line["error"], Value::Null);
    assert!(line["microseconds"].as_u64().is_some_and(|took| took > 0), "{line}");
    assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    let line = lines.next().expect("the second");
    assert_eq!(line["container"], "c\u{1b}\n2");
    assert_eq!(line["detached"], json!([first]));
    let left = json!([{"program": held.id.number(), "reason": "is held by a bpf_link"}]);
    assert_eq!(line["left"], left);
}

#[test]
fn failures_have_a_line_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("log");
    let log = path.to_str().expect("a path of text");
    let run = |format, input: &str| {
        devgate(&["hook", "--log-format", format, "--log", log], input).failure().to_owned()
    };
    let malformed = run("text", "{");
    let dead = run("text", r#"{"id":"c1","pid":1073741824}{}"#);
    let rule = run("json", r#"{"id":"c1","pid":1}{"linux":{"resources":{"devices":[{}]}}}"#);
    let text = fs::read_to_string(path).expect("there is a log");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(middle(lines[0]), format!("devgate failed error={malformed:?}"));
    assert_eq!(middle(lines[1]), format!("devgate failed container=c1 error={dead:?}"));
    let line: Value = serde_json::from_str(lines[2]).expect("JSON");
    assert_eq!((&line["result"], &line["error"]), (&json!("failed"), &json!(rule)));
    assert_eq!(line["program"], Value::Null);
}

#[test]
fn a_log_that_can_not_be_opened_stops_everything() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    for (log, why) in [
        (stage.dir.path().join("no/such/folder/log"), "No such file or directory (os error 2)"),
        (stage.dir.path().to_owned(), "Is a directory (os error 21)"),
    ] {
        let run = stage.hook("c1", "text", &log);
        assert_eq!(run.failure(), format!("log {} can't be opened: {why}", log.display()));
        assert_eq!(stage.cgroup.ids(), []);
    }
}

#[test]
fn a_full_disk_is_no_reason_to_go_back() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let run = stage.hook("c1", "text", Path::new("/dev/full"));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(
        run.complaint(),
        "warning: log /dev/full can't be written: No space left on device (os error 28)"
    );
    stage.id();
}

#[test]
fn runs_at_the_same_time_do_not_mix_their_lines() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let log = stage.log();
    let long = "c".repeat(2000);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| stage.hook(&long, "json", &log).success().to_owned());
        }
    });
    let lines = stage.lines();
    assert_eq!(lines.len(), 8);
    for line in &lines {
        let line: Value = serde_json::from_str(line).expect("one object a line");
        assert_eq!(line["container"], long.as_str());
    }
}
