//! What `devgate watch` prints, and that it leaves nothing behind.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use devgate::kernel::{ProgId, query_effective};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::common::cgroup::TestCgroup;
use super::common::engine::eventually;
use super::common::opener::serve_if_child;
use super::common::public::Public;
use super::common::require;
use super::stand::{Stand, alone, watch, watch_command};

const FUSE: &str = "c 10:229 rw";
const KMSG: &str = "c 1:11 rw";

fn is(request: &str) -> impl Fn(&Value) -> bool {
    move |found| {
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        let asked =
            format!("{} {}:{} {}", text("type"), found["major"], found["minor"], text("access"));
        asked == request
    }
}

#[test]
fn each_denial_has_its_container_program_and_rule() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let _alone = alone();
    let test = "live::each_denial_has_its_container_program_and_rule";
    let mut stand = Stand::new(test, "seen", &[FUSE, KMSG, "c 1:3 r"]);
    let mut other = Stand::new(test, "unseen", &[FUSE]);
    let program = stand.cgroup.ids()[0].number();
    let mut watching = watch(&["--json", "seen"]);
    assert_eq!(other.ask(FUSE), "EPERM");
    assert_eq!(stand.ask(FUSE), "EPERM");
    let found = watching.object(is(FUSE));
    let expected = json!({
        "container": "seen", "name": null, "namespace": null, "pod": null,
        "cgroup": stand.cgroup.text(),
        "type": "c", "major": 10, "minor": 229, "device": "/dev/fuse", "access": "rw",
        "verdict": "deny", "command": found["command"], "pid": stand.opener.pid(), "count": 1,
        "program": program, "program_cgroup": stand.cgroup.text(), "generator": "devgate",
        "rule": "deny a *:* rwm (devices[0])", "others": [], "last_look": false,
        "unexplained": null, "time": found["time"],
    });
    assert_eq!(found, expected);
    assert!(found["command"].as_str().is_some_and(|command| !command.is_empty()), "{found}");
    // Allowed requests are not shown, and more of the same are counted.
    stand.ask("c 1:3 r");
    for _ in 0..9 {
        stand.ask(FUSE);
    }
    stand.ask(KMSG);
    let found = watching.object(|_| true);
    assert!(is(KMSG)(&found), "{found}");
    let (code, rest) = watching.end(Signal::SIGINT);
    let rest: Vec<Value> = rest.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, rest.len()), (Some(0), 1), "{rest:?}");
    assert!(is(FUSE)(&rest[0]) && rest[0]["count"] == 10, "{rest:?}");
}

#[test]
fn with_all_the_allowed_are_shown_too() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let _alone = alone();
    let mut stand = Stand::new("live::with_all_the_allowed_are_shown_too", "both", &["c 1:11 r"]);
    let mut watching = watch(&["--json", "--all", stand.cgroup.text()]);
    stand.ask("c 1:11 r");
    let found = watching.object(is("c 1:11 r"));
    assert_eq!((&found["verdict"], &found["container"]), (&json!("allow"), &json!("both")));
    assert_eq!(found["rule"], "allow c 1:11 r (devices[2])");
    let run = super::common::command::devgate(&["revoke", "both", "c 1:11:r"], "");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(stand.ask("c 1:11 r"), "EPERM");
    let found = watching.object(|found| found["verdict"] == "deny");
    assert_eq!(found["rule"], "deny c 1:11 r (grants[0])");
    assert_eq!(
        (&found["program"], &found["count"]),
        (&json!(stand.cgroup.ids()[0].number()), &json!(1))
    );
}

/// A shell in the cgroup that does this.
fn shell(cgroup: &TestCgroup, script: &str) {
    let script = format!("echo $$ > {}/cgroup.procs; {script}", cgroup.text());
    let status = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status();
    assert!(status.is_ok());
}

/// A container may call its processes and its cgroups what it likes.
#[test]
fn nothing_of_a_container_reaches_the_terminal_as_it_is() {
    if !require::bpf() {
        return;
    }
    let _alone = alone();
    let cgroup = TestCgroup::new();
    let nested = cgroup.path().join("a\u{1b}[2Jb");
    fs::create_dir(&nested).unwrap();
    let nested = TestCgroup::at(nested);
    super::common::enforce::put(&cgroup, &[], devgate::kernel::Stale::All);
    for args in [&["--json", cgroup.text()][..], &[cgroup.text()]] {
        let mut watching = watch(args);
        let text = args.len() == 1;
        if text {
            assert!(watching.line().starts_with("TIME "));
        }
        let script = format!(
            "printf '\\033[31m\\302\\233x' > /proc/$$/comm; echo $$ > '{}'/cgroup.procs; : < /dev/fuse",
            nested.text()
        );
        shell(&cgroup, &script);
        let line = watching.line();
        assert!(!line.contains(char::is_control), "{line:?}");
        let expected = if text { "\\u{1b}[31m\\u{9b}x" } else { "\\u001b[31m\\u009bx" };
        assert!(line.contains(expected), "{line}");
        let expected = if text { "a\\u{1b}[2Jb" } else { "a\\u001b[2Jb" };
        assert!(line.contains(expected), "{line}");
    }
}

/// The programs that run for the cgroup.
fn running(cgroup: &TestCgroup) -> BTreeSet<ProgId> {
    query_effective(cgroup.open().as_fd()).unwrap().into_iter().collect()
}

#[test]
fn however_it_ends_nothing_stays_attached() {
    if !require::bpf() {
        return;
    }
    let _alone = alone();
    let cgroup = TestCgroup::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let before = running(&cgroup);
        let mut watching = watch(&["--json"]);
        let new: Vec<ProgId> = running(&cgroup).difference(&before).copied().collect();
        assert!(!new.is_empty(), "it observes");
        let (code, _) = watching.end(signal);
        assert_eq!(code, if signal == Signal::SIGKILL { None } else { Some(0) });
        let is_gone = || new.iter().all(|id| !running(&cgroup).contains(id));
        eventually("the observer is gone", is_gone);
    }
}

#[test]
fn it_ends_with_its_reader() {
    if !require::bpf() {
        return;
    }
    let _alone = alone();
    let before = TestCgroup::new();
    let mut child =
        watch_command(&[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // The first line. After this nobody reads, and nothing is denied.
    stdout.read_exact(&mut [0; 4]).unwrap();
    drop(stdout);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    drop(before);
}

/// Where nobody reads on, a signal ends it all the same.
#[test]
fn a_reader_that_sleeps_does_not_keep_it() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let _alone = alone();
    let test = "live::a_reader_that_sleeps_does_not_keep_it";
    let requests: Vec<String> = (0..200).map(|minor| format!("c 511:{minor} r")).collect();
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    let mut stand = Stand::new(test, "talker", &requests);
    let args = ["--json", "--rows", "512", "talker"];
    let mut child =
        watch_command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let stdout = child.stdout.take();
    sleep(Duration::from_millis(500));
    for request in &requests {
        assert_eq!(stand.ask(request), "EPERM");
    }
    sleep(Duration::from_millis(500));
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(stdout);
}

#[test]
fn what_found_no_room_is_said() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let _alone = alone();
    let requests = ["c 511:1 r", "c 511:2 r", "c 511:3 r", "c 511:4 r"];
    let mut stand = Stand::new("live::what_found_no_room_is_said", "greedy", &requests);
    let watching = watch(&["--json", "--rows", "2", "greedy"]);
    requests.iter().for_each(|request| assert_eq!(stand.ask(request), "EPERM"));
    let lost = "devgate: warning: 2 requests were not counted, of greedy: no room (see --rows)";
    assert_eq!(watching.error(), lost);
}

#[test]
fn a_new_top_level_cgroup_is_covered() {
    if !require::bpf() {
        return;
    }
    let _alone = alone();
    let mut watching = watch(&["--json"]);
    let top = devgate::cgroup::Cgroup::top().unwrap();
    let path = top.path().join(format!("devgate-test-{}-top", std::process::id()));
    fs::create_dir(&path).unwrap();
    let outer = TestCgroup::at(path);
    let cgroup = outer.child();
    super::common::enforce::put(&cgroup, &[], devgate::kernel::Stale::All);
    sleep(Duration::from_millis(200));
    shell(&cgroup, ": < /dev/fuse");
    let found = watching.object(|found| found["cgroup"] == cgroup.text());
    assert_eq!(
        (&found["rule"], &found["device"]),
        (&json!("no rule allows r"), &json!("/dev/fuse"))
    );
}

#[test]
fn without_rights_there_is_one_clear_line() {
    let run = Public::new().run(&["watch"], "");
    let line = run.failure();
    assert!(line.starts_with("watch needs root, or CAP_BPF, "), "{line}");
    let run = Public::new().run(&["watch", "no-such-container"], "");
    assert!(run.failure().starts_with("watch needs root, or CAP_BPF, "), "{run:?}");
    let root = super::common::command::devgate(&["watch", "/sys/fs/cgroup"], "");
    assert!(!root.failure().contains("needs root"), "{root:?}");
    let run = super::common::command::devgate(&["watch", "no-such-container"], "");
    let expected =
        "no container that runs has the name \"no-such-container\" or an id that begins with it";
    if require::bpf() {
        assert_eq!(run.failure(), expected);
    }
}
