//! podman runs devgate as a hook: a container's own opens are answered as podman's options say.

mod common;

use common::engine::answers::Answer::{Passed, Refused};
use common::engine::answers::{READY, Steps, assert_answers};
use common::engine::podman::Podman;
use common::engine::{DEVGATE, eventually, ready};

/// What every container but a privileged one gets.
const PLAIN: &Steps = &[
    ("r /dev/null", Passed),
    ("w /dev/null", Passed),
    ("rw /dev/null", Passed),
    ("rw /dev/zero", Passed),
    ("rw /dev/full", Passed),
    ("r /dev/random", Passed),
    ("r /dev/urandom", Passed),
    ("r /dev/tty", Passed),
    ("rw /dev/ptmx", Passed),
    ("m /dev/fuse2 c 10 229", Passed),
    ("r /dev/fuse2", Refused),
    ("w /dev/fuse2", Refused),
    ("rw /dev/fuse2", Refused),
    ("m /dev/block b 510 7", Passed),
    ("r /dev/block", Refused),
];

fn podman_is_ready() -> bool {
    ready("podman") && ready("runc")
}

#[test]
fn a_plain_container_has_the_base_devices() {
    if !podman_is_ready() {
        return;
    }
    let podman = Podman::new(&[]);
    podman.expect(&[], PLAIN);
}

#[test]
fn containers_after_one_another_have_programs_of_their_own() {
    if !podman_is_ready() {
        return;
    }
    let podman = Podman::new(&[]);
    let steps = [("m /dev/fuse2 c 10 229", Passed), ("r /dev/fuse2", Refused)];
    let (first, second) = (podman.expect(&[], &steps), podman.expect(&[], &steps));
    assert_ne!((first.program, first.cgroup), (second.program, second.cgroup));
    assert_eq!(podman.hook_runs().len(), 2);
}

#[test]
fn a_device_cgroup_rule_allows_what_it_says() {
    if !podman_is_ready() {
        return;
    }
    let podman = Podman::new(&[]);
    podman.expect(
        &["--device-cgroup-rule", "c 10:229 r"],
        &[
            ("rw /dev/null", Passed),
            ("m /dev/fuse2 c 10 229", Passed),
            ("r /dev/fuse2", Passed),
            ("w /dev/fuse2", Refused),
            ("rw /dev/fuse2", Refused),
            ("m /dev/other c 510 7", Passed),
            ("r /dev/other", Refused),
        ],
    );
}

#[test]
fn a_device_can_be_used_as_it_was_given() {
    if !podman_is_ready() {
        return;
    }
    let podman = Podman::new(&[]);
    // Nodes for podman to find the numbers of; nobody has such devices.
    let [rw, r] = ["7", "8"].map(|minor| podman.make_node(["c", "510", minor]));
    podman.expect(
        &[&format!("--device={rw}:/dev/given"), &format!("--device={r}:/dev/readable:r")],
        &[
            ("r /dev/given", Passed),
            ("w /dev/given", Passed),
            ("rw /dev/given", Passed),
            ("r /dev/readable", Passed),
            ("w /dev/readable", Refused),
            ("rw /dev/readable", Refused),
            ("m /dev/fuse2 c 10 229", Passed),
            ("r /dev/fuse2", Refused),
        ],
    );
}

#[test]
fn a_privileged_container_has_every_device() {
    if !podman_is_ready() {
        return;
    }
    let podman = Podman::new(&[]);
    podman.expect(
        &["--privileged"],
        &[
            ("rw /dev/null", Passed),
            ("m /dev/fuse2 c 10 229", Passed),
            ("rw /dev/fuse2", Passed),
            ("m /dev/other c 510 7", Passed),
            ("rw /dev/other", Passed),
            ("m /dev/block b 510 7", Passed),
            ("rw /dev/block", Passed),
        ],
    );
}

#[test]
fn a_log_that_cant_be_opened_stops_the_container() {
    if !podman_is_ready() {
        return;
    }
    let podman = Podman::without_hook();
    // Not a missing folder: whatever says "no such file", podman takes for a missing command and
    // exits with 127.
    let args = ["devgate", "hook", "--log", "/proc"];
    podman.add_hook("devgate.json", DEVGATE, &args);
    let stderr = podman.expect_failure();
    let complaint = "devgate: log /proc can't be opened: Is a directory";
    assert!(stderr.contains(complaint), "{stderr}");
}

#[test]
fn a_malformed_config_stops_the_container_and_says_why() {
    if !podman_is_ready() {
        return;
    }
    let podman = Podman::new(&[]);
    // podman writes no such thing, but an earlier hook can. It runs in the bundle.
    let spoil = r#"s/"allow":false/"allow":0/"#;
    let args = ["busybox", "sed", "-i", spoil, "config.json"];
    podman.add_hook("a-spoiler.json", "/bin/busybox", &args);
    let complaint = "linux.resources.devices[0].allow: ";
    let stderr = podman.expect_failure();
    assert!(stderr.contains(complaint), "{stderr}");
    let runs = podman.hook_runs();
    let [run] = &runs[..] else { panic!("not one run: {runs:?}") };
    assert_eq!((run.result.as_str(), run.program), ("failed", None));
    assert!(run.error.as_deref().is_some_and(|error| error.contains(complaint)), "{run:?}");
}

#[test]
fn a_restarted_container_has_a_new_program() {
    if !podman_is_ready() {
        return;
    }
    let podman = Podman::new(&[]);
    let steps: &Steps = &[("m /dev/fuse2 c 10 229", Passed), ("r /dev/fuse2", Refused)];
    let mut session = podman.start(&["--name=restarted", "--detach"], steps);
    assert_eq!(session.wait().code, Some(0));
    let first = podman.last_gated();
    first.assert_running();
    podman.run(&["restart", "--time=0", "restarted"]);
    let second = podman.last_gated();
    assert_eq!(podman.hook_runs().len(), 2);
    second.assert_running();
    assert_ne!(first.program, second.program);
    let logs = || podman.logs("restarted");
    eventually("both took their steps", || logs().matches(READY).count() == 2);
    for printed in logs().split_terminator(READY).take(2) {
        assert_answers(printed.split_terminator('\n').filter(|line| !line.is_empty()), steps);
    }
    podman.run(&["rm", "--force", "--time=0", "restarted"]);
    first.assert_gone();
    second.assert_gone();
}
