//! `devgate doctor --prove podman`.

use std::fs;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::command::Run;
use crate::common::engine::eventually;
use crate::common::engine::host::Debian;
use crate::common::engine::podman::Podman;
use crate::podman::with_each;

const PROVE: [&str; 6] = ["doctor", "engines", "--among", "podman", "--prove", "podman"];

/// podman itself, with the stores and the cgroup of the test, and what is to happen before it runs
/// a container.
fn wrap(podman: &Podman, options: &str, before: &str) {
    let words = podman.command_line().join(" ");
    let parent = podman.cgroup_parent();
    let script = format!(
        "cat > /usr/local/bin/podman <<'END'\n#!/bin/sh\ncase $1 in\n\
         run) shift; {before}\nexec {words} {options} run --cgroup-parent={parent} \"$@\" ;;\n\
         *) exec {words} \"$@\" ;;\nesac\nEND\nchmod 755 /usr/local/bin/podman"
    );
    podman.run_on_host("sh", &["-c", &script]).success();
}

#[track_caller]
fn assert_nothing_is_left(podman: &Podman) {
    let left = "podman ps --all --quiet; ls -d /tmp/devgate-prove-* 2>/dev/null || true";
    assert_eq!(podman.run_on_host("sh", &["-c", left]).text(), "");
    eventually("the cgroup is gone", || !podman.has_container_cgroups());
}

fn line(run: &Run) -> String {
    let line = run.text().lines().find(|line| line.contains("engines/podman"));
    line.unwrap_or_else(|| panic!("{run:?}")).to_owned()
}

#[test]
fn a_hook_that_podman_runs_is_proven() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        wrap(&podman, "", "");
        podman.install(&["podman"]);
        assert!(line(&podman.devgate(&["doctor", "engines"])).starts_with("registered "));
        let run = podman.devgate(&PROVE);
        let (found, [hook]) = (line(&run), &podman.hook_runs()[..]) else { panic!("{run:?}") };
        let (program, cgroup) = (hook.program.expect("a program"), hook.cgroup.as_deref());
        let cgroup = cgroup.expect("a cgroup");
        let proof = format!("had program {program} on {cgroup} and a line in the hook's log");
        assert!(found.starts_with("ok ") && found.ends_with(&proof), "{found}");
        assert_eq!(run.code, Some(0));
        assert_nothing_is_left(&podman);
    });
}

/// The container asks for the device.
#[test]
fn a_cdi_device_is_proven_by_podman() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        wrap(&podman, "", "");
        podman.install(&["cdi"]);
        let run = podman.devgate(&["doctor", "engines", "--among", "cdi", "--prove", "cdi"]);
        assert!(run.text().starts_with("ok          engines/cdi  "), "{run:?}");
        assert_eq!((run.code, podman.hook_runs().len()), (Some(0), 1));
        assert_nothing_is_left(&podman);
    });
}

/// For an option of podman's, say, which no file tells of.
#[test]
fn a_hook_that_podman_does_not_run_is_broken() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        wrap(&podman, "--hooks-dir=/tmp", "");
        podman.install(&["podman"]);
        let run = podman.devgate(&PROVE);
        let found = line(&run);
        assert!(found.starts_with("broken ") && found.contains("without it"), "{found}");
        assert!(found.contains("and there is no line in the hook's log; "), "{found}");
        assert_eq!(run.code, Some(1));
        assert_nothing_is_left(&podman);
    });
}

/// A hook that runs before it spoils config.json.
const SPOILER: &str = r#"{"version": "1.0.0", "when": {"always": true}, "stages": ["createRuntime"],
    "hook": {"path": "/bin/busybox", "args": ["busybox", "sed", "-i", "s/{/[/", "config.json"]}}"#;

#[test]
fn a_hook_that_fails_is_broken_and_its_log_says_why() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        wrap(&podman, "", "");
        podman.install(&["podman"]);
        let write = "printf %s \"$1\" > /usr/share/containers/oci/hooks.d/a.json";
        podman.run_on_host("sh", &["-c", write, "sh", SPOILER]).success();
        let run = podman.devgate(&PROVE);
        let found = line(&run);
        let says = found.contains("the engine started no container: ")
            && found.contains("; the hook's log says why: ")
            && found.contains("config.json");
        assert!(found.starts_with("broken ") && says, "{found}");
        assert_eq!(run.code, Some(1));
        assert_nothing_is_left(&podman);
    });
}

#[test]
fn an_interruption_leaves_nothing() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        let (started, go) = (podman.path("started"), podman.path("go"));
        wrap(&podman, "", &format!("> {started}; until test -e {go}; do sleep 0.02; done"));
        podman.install(&["podman"]);
        let mut command = podman.devgate_command(&PROVE);
        let doctor = command.stdout(Stdio::piped()).spawn().expect("it can be started");
        eventually("podman is asked", || fs::exists(&started).is_ok_and(|there| there));
        kill(Pid::from_raw(doctor.id().cast_signed()), Signal::SIGTERM).expect("a signal");
        fs::write(&go, "").expect("a file can be made");
        let run = Run::from(doctor.wait_with_output().expect("it ends"));
        assert!(line(&run).contains("the proof was interrupted"), "{run:?}");
        assert_nothing_is_left(&podman);
    });
}

/// Whether it would run can't be seen from any container.
#[test]
fn a_hook_for_some_containers_only_is_not_tried() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        podman.install(&["podman", "--when", "annotation=a"]);
        let found = line(&podman.devgate(&PROVE));
        assert!(found.contains("the hook runs for some containers only"), "{found}");
        assert!(
            found.starts_with("degraded ") && !fs::exists(podman.log()).expect("a folder"),
            "{found}"
        );
    });
}

/// Pods are started over CRI alone.
#[test]
fn without_crictl_there_is_no_proof_for_cri_o() {
    if !Debian::Own.is_ready() {
        return;
    }
    let podman = Podman::in_copy_of(Debian::Own);
    let prove = ["doctor", "engines", "--among", "crio", "--prove", "crio"];
    let run = podman.devgate(&prove);
    let why = "engines/crio          not installed, so there is nothing to prove; install it\n";
    assert!(run.text().starts_with(&format!("degraded    {why}")), "{run:?}");
    podman.run_on_host("sh", &["-c", "install -m 755 /bin/true /usr/bin/crio"]).success();
    podman.install(&["crio"]);
    let run = podman.devgate(&prove);
    let why = "can't be proven from here: crictl, which speaks CRI, is not installed; ";
    assert!(run.text().starts_with("degraded ") && run.text().contains(why), "{run:?}");
    assert_eq!(run.code, Some(4));
}
