//! The hook's log: engines drop what a hook prints, or lose it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::CONFIG;
use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate, run};
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

    fn input(&self, id: &str) -> String {
        let pid = self.container.pid();
        format!(r#"{{"id":"{id}","pid":{pid},"bundle":"/no/bundle"}}{CONFIG}"#)
    }

    fn hook(&self, id: &str, format: &str, log: &Path) -> Run {
        let log = log.to_str().expect("a path of text");
        devgate(&["hook", "--hold", "no", "--log-format", format, "--log", log], self.input(id))
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
    let run = stage.hook(r"c 2\n", "text", &log);
    let unrecorded = run.complaint().strip_prefix("warning: ").expect("a warning").to_owned();
    let second = stage.id();
    let lines = stage.lines();
    let lines: Vec<&str> = lines.iter().map(|line| middle(line)).collect();
    let head = "devgate attached container";
    assert_eq!(
        lines,
        [
            format!("{head}=c1 cgroup={cgroup} program={first} insns={insns} detached=-"),
            format!(
                "{head}=\"c 2\\n\" cgroup={cgroup} program={second} insns={insns} detached={first} \
                 warning={unrecorded:?}"
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
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.starts_with(&format!("devgate: {warning}\n")), "{run:?}");
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
    let unrecorded = line["warnings"][0].as_str().expect("a warning");
    assert!(unrecorded.contains("has no record"), "{line}");
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
    let folder = stage.dir.path().join("folder");
    fs::create_dir(&folder).expect("a folder");
    for (log, why) in [
        (stage.dir.path().join("no/such/folder/log"), "No such file or directory (os error 2)"),
        (folder, "Is a directory (os error 21)"),
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
    let log = stage.log();
    let limited = "ulimit -f 0; trap '' XFSZ; exec \"$0\" hook --log \"$1\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_devgate")]).arg(&log);
    let run = run(&mut command, stage.input("c1"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let why = "can't be written: File too large (os error 27)";
    let complaint = format!("devgate: warning: log {} {why}\n", log.display());
    assert!(run.stderr.contains(&complaint), "{run:?}");
    stage.id();
}

#[test]
fn its_directory_is_made() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let log = stage.dir.path().join("own/devgate.log");
    stage.hook("c1", "text", &log).success();
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o7777;
    assert_eq!((mode(&stage.dir.path().join("own")), mode(&log)), (0o755, 0o644));
    // root's own link to a directory is as good.
    symlink(stage.dir.path().join("own"), stage.dir.path().join("link")).expect("a link");
    stage.hook("c2", "text", &stage.dir.path().join("link/devgate.log")).success();
    assert_eq!(fs::read_to_string(log).expect("a log").lines().count(), 2);
}

/// What is there, and what the hook says of it. `DIR` stands for the log's directory.
type Unsafe = (fn(&Path), &'static str);

const OTHER: u32 = 1000;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode can be set");
}

fn write(dir: &Path) {
    fs::write(dir.join("log"), "as it was\n").expect("a file can be written");
}

fn make(dir: &Path, kind: SFlag) {
    let mode = Mode::from_bits_truncate(0o600);
    mknod(&dir.join("log"), kind, mode, makedev(1, 3)).expect("a node can be made");
}

const UNSAFE: [Unsafe; 12] = [
    (|dir| chmod(dir, 0o777), "DIR can be changed by others (mode 0777)"),
    (|dir| chmod(dir, 0o775), "DIR can be changed by others (mode 0775)"),
    (|dir| chmod(dir, 0o1777), "DIR can be changed by others (mode 1777)"),
    (|dir| chown(dir, Some(OTHER), None).expect("it"), "DIR belongs to user 1000, not to root"),
    (|dir| chmod(parent(dir), 0o775), "UP can be changed by others (mode 0775)"),
    (
        |dir| chown(parent(dir), Some(OTHER), None).expect("it"),
        "UP belongs to user 1000, not to root",
    ),
    (
        |dir| {
            write(dir);
            chmod(&dir.join("log"), 0o666);
        },
        "DIR/log can be changed by others (mode 0666)",
    ),
    (
        |dir| {
            write(dir);
            chown(dir.join("log"), Some(OTHER), None).expect("it");
        },
        "DIR/log belongs to user 1000, not to root",
    ),
    (
        |dir| symlink(parent(dir).join("victim"), dir.join("log")).expect("a link"),
        "Too many levels of symbolic links (os error 40)",
    ),
    (|dir| make(dir, SFlag::S_IFIFO), "not a regular file"),
    (|dir| make(dir, SFlag::S_IFCHR), "not a regular file"),
    (|dir| make(dir, SFlag::S_IFSOCK), "not a regular file"),
];

fn parent(path: &Path) -> &Path {
    path.parent().expect("a folder")
}

#[test]
fn a_log_that_others_could_replace_stops_everything() {
    if !require::bpf() {
        return;
    }
    for (prepare, why) in UNSAFE {
        let stage = Stage::new();
        let (up, dir) = (stage.dir.path().join("up"), stage.dir.path().join("up/dir"));
        fs::create_dir_all(&dir).expect("a folder");
        let victim = up.join("victim");
        fs::write(&victim, "as it was\n").expect("a file can be written");
        prepare(&dir);
        let run = stage.hook("c1", "text", &dir.join("log"));
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let why = why.replace("DIR", &text(&dir)).replace("UP", &text(&up));
        assert!(run.failure().contains(&format!(": {why}")), "{why}: {run:?}");
        assert_eq!(stage.cgroup.ids(), []);
        assert_eq!(fs::read_to_string(&victim).expect("a file"), "as it was\n");
        if dir.join("log").is_file() {
            assert_eq!(fs::read_to_string(dir.join("log")).expect("a file"), "as it was\n");
        }
    }
}

/// Its owner could lead it elsewhere.
#[test]
fn a_link_of_somebody_else_on_the_way_stops_everything() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let (dir, link) = (stage.dir.path().join("dir"), stage.dir.path().join("link"));
    fs::create_dir(&dir).expect("a folder");
    symlink(&dir, &link).expect("a link");
    lchown(&link, Some(OTHER), None).expect("its owner can be set");
    let run = stage.hook("c1", "text", &link.join("log"));
    let why = format!("{} belongs to user 1000, not to root", link.display());
    assert!(run.failure().contains(&why), "{run:?}");
    assert_eq!((stage.cgroup.ids(), fs::read_dir(dir).expect("a folder").count()), (vec![], 0));
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
            scope.spawn(|| assert_eq!(stage.hook(&long, "json", &log).code, Some(0)));
        }
    });
    let lines = stage.lines();
    assert_eq!(lines.len(), 8);
    for line in &lines {
        let line: Value = serde_json::from_str(line).expect("one object a line");
        assert_eq!(line["container"], long.as_str());
    }
}
