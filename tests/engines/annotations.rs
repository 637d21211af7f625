//! What a container asks the hook for, by `podman run --annotation`.

use std::fs;

use crate::common::engine::answers::Answer::{Passed, Refused};
use crate::common::engine::answers::assert_answers;
use crate::common::engine::eventually;
use crate::common::engine::host::Debian;
use crate::common::engine::podman::Podman;
use crate::engine::assert_refused;
use crate::podman::{STEPS, with_each};

/// podman with the hook, and a folder for the logs of containers.
fn podman(debian: Debian) -> Podman {
    let podman = Podman::in_copy_of(debian);
    podman.install(&["podman", "--log-dir", &podman.path("logs")]);
    podman
}

#[test]
fn a_log_of_its_own_is_written_beside_the_registered_one() {
    with_each(|debian| {
        let podman = podman(debian);
        podman.expect(&["--annotation=io.devgate.log=own.log"], STEPS);
        eventually("the hook ran after the container", || podman.releases().len() == 1);
        podman.expect(&[], STEPS);
        let text = |log: &str| fs::read_to_string(log).expect("it is there");
        let (own, all) = (text(&podman.path("logs/own.log")), text(&podman.log()));
        assert_eq!(own.lines().collect::<Vec<_>>(), all.lines().take(2).collect::<Vec<_>>());
    });
}

#[test]
fn a_log_elsewhere_stops_the_container() {
    with_each(|debian| {
        let podman = podman(debian);
        let passwd = || podman.run_on_host("cat", &["/etc/passwd"]).success().to_owned();
        let before = passwd();
        podman.expect_failure(&["--annotation=io.devgate.log=/etc/passwd"]);
        assert_refused(
            &podman.hook_runs(),
            "\"/etc/passwd\" is no name of letters, digits and ._- right in ",
        );
        assert_eq!(passwd(), before);
    });
}

#[test]
fn the_base_devices_can_be_done_without() {
    with_each(|debian| {
        // runc opens /dev/null after its hooks.
        let null = "--device-cgroup-rule=c 1:3 rw";
        let steps = &[
            ("rw /dev/null", Passed),
            ("rw /dev/zero", Refused),
            ("m /dev/fuse2 c 10 229", Refused),
        ];
        let options = ["--annotation=io.devgate.default-devices=none", null];
        let ran = podman(debian).run(&options, steps);
        assert_answers(ran.answers.iter().map(String::as_str), steps);
        assert_eq!(ran.inspected.rules(), ["allow c 1:3 rw"]);
    });
}

#[test]
fn access_can_not_be_widened() {
    with_each(|debian| {
        let podman = podman(debian);
        podman.expect_failure(&["--annotation=io.devgate.default-devices=append"]);
        assert_refused(&podman.hook_runs(), "\"append\" could widen access");
    });
}

#[test]
fn an_unknown_annotation_is_warned_about() {
    with_each(|debian| {
        let podman = podman(debian);
        podman.expect(&["--annotation=io.devgate.defaults=none"], STEPS);
        let [run] = &podman.hook_runs()[..] else { panic!("not one run") };
        assert_eq!(run.warnings, [r#"annotation "io.devgate.defaults" is unknown, passed over"#]);
    });
}
