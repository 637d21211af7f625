//! `devgate check` of a cgroup's programs.

use devgate::kernel::Stale;
use serde_json::{Value, json};

use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::enforce::put;
use super::common::require;
use super::common::sleeper::Sleeper;

#[test]
fn a_denial_names_the_program_and_its_cgroup() {
    if !require::bpf() {
        return;
    }
    let outer = TestCgroup::new();
    let inner = outer.child();
    let above = put(&outer, &["allow c 1:* rwm"], Stale::All).id;
    let own = put(&inner, &["allow c 1:3 rwm", "allow c 10:229 rw"], Stale::All).id;
    let run = devgate(&["check", "--cgroup", inner.text(), "--json", "c 10:229 rw", "c 1:3 r"], "");
    assert_eq!(run.code, Some(3));
    let lines: Vec<Value> =
        run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let program = |id: u32, cgroup: &TestCgroup, verdict: &str| json!({"id": id, "name": "devgate", "cgroup": cgroup.text(), "verdict": verdict});
    assert_eq!(
        lines[0],
        json!({"type": "c", "major": 10, "minor": 229, "access": "rw", "verdict": "deny", "programs": [
            program(own.number(), &inner, "allow"), program(above.number(), &outer, "deny"),
        ]})
    );
    assert_eq!(lines[1]["verdict"], "allow");
    let run = devgate(&["check", "--cgroup", inner.text(), "c 1:3 r"], "");
    assert!(run.success().starts_with("allow    c 1:3 r (/dev/null)"), "{}", run.text());
}

#[test]
fn a_path_is_the_device_that_is_there() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let sleeper = Sleeper::within(&cgroup);
    put(&cgroup, &["allow c 1:3 rw"], Stale::All);
    let pid = sleeper.pid().to_string();
    let check = |asked: &str| devgate(&["check", "--pid", &pid, asked], "");
    assert!(check("/dev/null:rw").success().starts_with("allow    c 1:3 rw (/dev/null)"));
    assert_eq!(check("/dev/zero:r").code, Some(3));
    assert_eq!(check("/dev/null:m").code, Some(3));
    let complaint = "/nowhere/x: can't be found: ENOENT: No such file or directory";
    assert_eq!(check("/nowhere/x:r").complaint(), complaint);
    assert_eq!(check("/dev:r").complaint(), "/dev: is not a device node");
    assert_eq!(check("/dev/null").code, Some(2));
    assert_eq!(check("/dev/null:x").code, Some(2));
}

#[test]
fn without_a_program_everything_is_allowed() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let run = devgate(&["check", "--cgroup", cgroup.text(), "b 8:0 rw"], "");
    assert!(run.success().ends_with("no program runs\n"), "{}", run.text());
}

#[test]
fn sources_that_do_not_go_together_are_bad_usage() {
    let usage = |args: &[&str]| assert_eq!(devgate(args, "").code, Some(2), "{args:?}");
    usage(&["check", "c 1:3 r"]);
    usage(&["check", "--config", "x", "--cgroup", "/y", "c 1:3 r"]);
    usage(&["check", "--config", "x", "--diff"]);
    usage(&["check", "--cgroup", "/y", "--diff"]);
    usage(&["check", "--cgroup", "/y", "--pid", "1", "c 1:3 r"]);
    usage(&["check", "--cgroup", "/y"]);
    usage(&["inspect"]);
    usage(&["inspect", "x", "--pid", "1"]);
}
