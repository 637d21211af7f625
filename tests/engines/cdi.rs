//! devgate as a hook that a CDI device brings, for the containers that name it.

use crate::common::engine::host::Debian;
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

/// Unlike with a hooks directory: see `default_dir`.
#[test]
fn without_its_binary_the_container_does_not_start() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        podman.install(&["cdi", "--binary", "/opt/devgate", "--copy-binary"]);
        podman.run_on_host("rm", &["/opt/devgate"]).success();
        // runc's complaint makes podman think that the container's command is missing.
        let code = if debian == Debian::Own { 127 } else { 126 };
        let stderr = podman.start(&["--rm", DEVICE], &[]).expect_failure(code);
        assert!(stderr.contains("/opt/devgate"), "{stderr}");
    });
}
