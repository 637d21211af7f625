//! `devgate hook`, on a process in a cgroup.

use std::fs;

use devgate::kernel::{AttachFlags, ProgId};
use devgate::policy::Verdict;

use super::CONFIG;
use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::enforce::put;
use super::common::opener::{Opener, serve_if_child};
use super::common::require;
use super::common::sleeper::Sleeper;
use devgate::kernel::Stale;

const CHILD_TEST: &str = "hook::the_containers_opens_are_what_its_config_says";

/// As runc writes it.
fn runc_state(pid: u32, bundle: &str) -> String {
    format!(
        r#"{{"ociVersion":"1.2.0","id":"c1","status":"creating","pid":{pid},"bundle":"{bundle}"}}"#
    )
}

/// As crun writes it: of another version and status, with a key of its own, slashes escaped.
fn crun_state(pid: u32, bundle: &str) -> String {
    let bundle = bundle.replace('/', r"\/");
    format!(
        r#"{{
  "ociVersion": "1.0",
  "id": "c1",
  "pid": {pid},
  "root": "\/some\/root",
  "bundle": "{bundle}",
  "status": "created",
  "annotations": {{
    "io.container.manager": "libpod"
  }}
}}"#
    )
}

/// The one program that is attached.
fn the_only(cgroup: &TestCgroup) -> ProgId {
    let [id] = cgroup.ids()[..] else { panic!("{:?} are attached", cgroup.ids()) };
    assert_eq!(cgroup.flags(), AttachFlags::MULTI);
    id
}

#[test]
fn the_containers_opens_are_what_its_config_says() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let mut container = Opener::within(&cgroup, CHILD_TEST);
    let expected = [
        ("c 1:3 rw", Verdict::Allow),
        ("c 10:229 rw", Verdict::Allow),
        ("c 1:11 r", Verdict::Allow),
        ("c 1:11 w", Verdict::Deny),
        ("c 1:11 rw", Verdict::Deny),
        ("c 10:200 rw", Verdict::Deny),
        ("c 1:8 r", Verdict::Allow),
        ("c 5:1 r", Verdict::Deny),
        ("b 7:0 m", Verdict::Allow),
        ("b 7:0 r", Verdict::Deny),
        ("b 7:0 -", Verdict::Allow),
    ];
    let expected = expected.map(|(text, verdict)| (text.parse().expect("a request"), verdict));
    expected.iter().for_each(|(request, _)| container.make_node(request));
    let stale = put(&cgroup, &["allow a *:* rwm"], Stale::All).id;
    let state = runc_state(container.pid(), "/no/bundle");
    assert_eq!(devgate(&["hook"], state + CONFIG).success(), "");
    assert_ne!(the_only(&cgroup), stale);
    for (request, verdict) in expected {
        assert_eq!(container.verdict(&request), verdict, "{request}");
    }
}

#[test]
fn states_of_runc_and_crun_with_the_config_in_either_place() {
    if !require::bpf() {
        return;
    }
    let bundle = tempfile::tempdir().expect("a folder");
    fs::write(bundle.path().join("config.json"), CONFIG).expect("a file");
    let bundle = bundle.path().to_str().expect("a path of text");
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let pid = container.pid();
    let mut tags = Vec::new();
    for state in [runc_state, crun_state] {
        for input in [
            state(pid, bundle),
            state(pid, bundle) + "\n",
            state(pid, "/no/bundle") + CONFIG,
            state(pid, "/no/bundle") + "\n\n" + CONFIG + "\n",
        ] {
            let before = cgroup.ids();
            assert_eq!(devgate(&["hook"], &input).success(), "", "{input}");
            let id = the_only(&cgroup);
            assert!(!before.contains(&id), "{input}");
            tags.push(devgate::kernel::Program::by_id(id).expect("it is there").tag);
        }
    }
    assert!(tags.iter().all(|tag| *tag == tags[0]), "{tags:?}");
}

/// Which rules count: those of the second document, not those of the bundle.
#[test]
fn a_second_document_takes_the_bundles_place() {
    if !require::bpf() {
        return;
    }
    let bundle = tempfile::tempdir().expect("a folder");
    fs::write(bundle.path().join("config.json"), "no JSON").expect("a file");
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let bundle = bundle.path().to_str().expect("a path of text");
    let state = runc_state(container.pid(), bundle);
    assert_eq!(devgate(&["hook"], state + CONFIG).success(), "");
    the_only(&cgroup);
}

#[test]
fn without_a_command_it_is_the_hook() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let state = runc_state(container.pid(), "/no/bundle");
    assert_eq!(devgate(&[], state.clone() + CONFIG).success(), "");
    let first = the_only(&cgroup);
    assert_eq!(devgate(&["hook"], state + CONFIG).success(), "");
    assert_ne!(the_only(&cgroup), first);
    let failed = devgate(&[], "");
    assert_eq!(failed.failure(), "state (standard input): empty, expected JSON");
}

#[test]
fn options_do_what_they_say() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let input = runc_state(container.pid(), "/no/bundle") + CONFIG;
    let instructions = |mode: &str| {
        let args = ["compile", "--config", "-", "--format", "raw", "--default-devices", mode];
        devgate(&args, CONFIG).stdout.len() / 8
    };
    for mode in ["base", "append", "none"] {
        devgate(&["hook", "--default-devices", mode], &input).success();
        let program = devgate::kernel::Program::by_id(the_only(&cgroup)).expect("it is there");
        assert_eq!((program.name.as_str(), program.insn_count), ("devgate", instructions(mode)));
    }
    devgate(&["hook", "--stale", "none"], &input).success();
    assert_eq!(cgroup.ids().len(), 2);
    devgate(&["hook", "--stale", "own"], &input).success();
    the_only(&cgroup);
}

#[test]
fn a_dry_run_touches_nothing() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let input = runc_state(container.pid(), "/no/bundle") + CONFIG;
    let run = devgate(&["hook", "--dry-run"], input);
    let text = run.success();
    assert_eq!(cgroup.ids(), []);
    for part in ["deny a *:* rwm", "base default", "0: r2 = *(u32 *)(r1 +0)", "exit", "plan"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text.contains(&format!("process {}", container.pid())), "{text}");
}

#[test]
fn the_working_directory_and_the_environment_do_not_matter() {
    if !require::bpf() {
        return;
    }
    use super::common::command::{command, run};
    let cgroup = TestCgroup::new();
    let container = Sleeper::within(&cgroup);
    let input = runc_state(container.pid(), "/no/bundle") + CONFIG;
    let mut hook = command(&["hook"]);
    hook.env_clear().current_dir("/proc");
    assert_eq!(run(&mut hook, input).success(), "");
    the_only(&cgroup);
}
