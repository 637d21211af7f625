//! The hooks directory that podman reads by itself, and what `devgate doctor` says of it.

use crate::common::engine::podman::Podman;
use crate::podman::{STEPS, with_each};

const FILE: &str = "/usr/share/containers/oci/hooks.d/devgate.json";

/// Not the devgate that is asked.
const BINARY: &str = "/opt/devgate";

/// The exit code of `devgate doctor engines`, and what it finds of podman.
fn doctor(podman: &Podman) -> (Option<i32>, String) {
    let run = podman.devgate(&["doctor", "engines"]);
    let line = run.text().lines().find(|line| line.contains("engines/podman"));
    (run.code, line.expect("podman is installed").to_owned())
}

#[test]
fn install_gates_and_uninstall_does_not() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        podman.expect_ungated(&[]);
        podman.install(&["podman"]);
        podman.expect(&[], STEPS);
        let (_, found) = doctor(&podman);
        let registered = format!("registered in {FILE}: /usr/local/bin/devgate devgate hook");
        assert!(found.starts_with("registered ") && found.contains(&registered), "{found}");
        podman.devgate(&["uninstall", "podman"]).success();
        podman.expect_ungated(&[]);
        let (_, found) = doctor(&podman);
        assert!(found.starts_with("degraded ") && found.contains("not registered"), "{found}");
    });
}

/// podman says nothing either: [`Podman::expect_ungated`] sees to that.
#[test]
fn without_its_binary_a_registration_gates_nothing_and_doctor_tells() {
    with_each(|debian| {
        let podman = Podman::in_copy_of(debian);
        podman.install(&["podman", "--binary", BINARY, "--copy-binary"]);
        podman.expect(&[], STEPS);
        podman.run_on_host("rm", &[BINARY]).success();
        podman.expect_ungated(&[]);
        let (code, found) = doctor(&podman);
        let gone = format!("registered in {FILE}: {BINARY}: there is no such file");
        assert!(found.starts_with("broken ") && found.contains(&gone), "{found}");
        assert_eq!(code, Some(1));
    });
}
