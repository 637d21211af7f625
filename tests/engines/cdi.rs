//! devgate as a hook that a CDI device brings, for the containers that name it.

use crate::common::engine::podman::Podman;
use crate::podman::{STEPS, with_each};

const DEVICE: &str = "--device=devgate.io/policy=enforce";

#[test]
fn a_container_that_names_the_device_is_gated() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        podman.install(&["cdi"]);
        podman.expect_ungated(&[]);
        podman.expect(&[DEVICE], STEPS);
        assert_eq!(podman.hook_runs().len(), 1);
    });
}

/// The device is no device that the container could open.
#[test]
fn a_device_beside_it_is_had_all_the_same() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        podman.install(&["cdi"]);
        let ran = podman.run(&[DEVICE, "--device-cgroup-rule=c 510:7 rw"], STEPS);
        assert!(ran.inspected.rules().contains(&"allow c 510:7 rw".to_owned()), "{ran:?}");
    });
}

#[test]
fn with_a_hooks_directory_too_it_runs_twice_and_there_is_one_program() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        podman.install(&["cdi"]);
        podman.install(&["podman"]);
        podman.expect(&[DEVICE], STEPS);
        let runs = podman.hook_runs();
        let [first, second] = &runs[..] else { panic!("not two runs: {runs:?}") };
        assert_eq!(first.program.as_slice(), second.detached);
        podman.expect(&[], STEPS);
        assert_eq!(podman.hook_runs().len(), 3);
    });
}

#[test]
fn without_the_registration_the_device_is_unknown() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        podman.install(&["cdi"]);
        podman.devgate(&["uninstall", "cdi"]).success();
        let stderr = podman.expect_failure(&[DEVICE]);
        assert!(stderr.contains("devgate.io/policy=enforce"), "{stderr}");
    });
}
