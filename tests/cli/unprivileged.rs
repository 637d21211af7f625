//! What works without root.

use super::CONFIG;
use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::public::Public;
use super::common::require;
use super::common::sleeper::Sleeper;

const STATE: &str = r#"{"id":"c1","pid":1,"bundle":"/no/bundle"}"#;

#[test]
fn pure_commands_are_the_same() {
    let public = Public::new();
    let hook = STATE.to_owned() + CONFIG;
    for (args, input) in [
        (&["hook", "--dry-run"][..], hook.as_str()),
        (&["compile", "--config", "-"], CONFIG),
        (&["check", "--config", "-", "c 1:3 rw"], CONFIG),
    ] {
        let run = public.run(args, input);
        assert_eq!(run.success(), devgate(args, input).success(), "{args:?}");
    }
}

#[test]
fn the_demo_is_a_dry_run_and_says_so() {
    let run = Public::new().run(&["demo"], "");
    let text = run.success();
    assert!(text.contains("Not root, so this is a dry run"), "{text}");
    assert!(text.contains("exit\n"), "{text}");
}

/// It is no user namespace that it lacks the right in, so it is a failure.
#[test]
fn the_hook_fails() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let pid = container.pid();
    let input = format!(r#"{{"id":"c1","pid":{pid},"bundle":"/no/bundle"}}{CONFIG}"#);
    let run = Public::new().run(&["hook"], &input);
    let line = run.failure();
    assert!(line.contains("CAP_BPF") || line.contains("EPERM"), "{line}");
    assert_eq!(cgroup.ids(), []);
}
