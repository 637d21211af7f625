//! podman 4 with runc, which is this machine's, and podman 5 with crun, which is Debian 13's.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::engine::answers::Answer::{Passed, Refused};
use crate::common::engine::answers::{READY, Steps, assert_answers};
use crate::common::engine::container::Ran;
use crate::common::engine::eventually;
use crate::common::engine::host::Debian;
use crate::common::engine::podman::Podman;
use crate::common::engine::watch::{HookRun, Inspected};
use crate::engine::{Asked, Engine, assert_every_kind, assert_refused};

impl Engine for Podman {
    fn edit_config(&self, script: &str) {
        // Hooks run in the bundle, and in order of their files' names.
        let args = ["busybox", "sed", "-i", script, "config.json"];
        self.add_hook("a-sed.json", "/bin/busybox", &args);
    }

    fn run(&self, asked: &Asked, steps: &Steps) -> Ran {
        let options: Vec<String> = match asked {
            Asked::Nothing => Vec::new(),
            Asked::Devices(devices) => devices
                .iter()
                .map(|device| (self.make_node(device.numbers), device))
                .map(|(node, device)| format!("--device={node}:{}:{}", device.path, device.access))
                .collect(),
            Asked::Rules(rules) => {
                rules.iter().map(|rule| format!("--device-cgroup-rule={rule}")).collect()
            }
            Asked::Everything => vec!["--privileged".to_owned()],
        };
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Podman::run(self, &options, steps)
    }

    fn fail(&self) {
        self.expect_failure(&[]);
    }

    fn hook_runs(&self) -> Vec<HookRun> {
        Podman::hook_runs(self)
    }
}

/// Runs this with each Debian's podman that there is.
pub fn with_each(test: impl Fn(Debian)) {
    for debian in [Debian::Own, Debian::Trixie] {
        if debian.is_ready() {
            // Shown where it fails.
            println!("{debian:?}");
            test(debian);
        }
    }
}

#[test]
fn every_kind_of_container_has_the_devices_it_was_asked_for() {
    with_each(|debian| assert_every_kind(|| Podman::of(debian, &[])));
}

/// What every container can make and none can open.
pub const STEPS: &Steps = &[("m /dev/fuse2 c 10 229", Passed), ("r /dev/fuse2", Refused)];

#[test]
fn containers_after_one_another_have_programs_of_their_own() {
    with_each(|debian| {
        let podman = Podman::of(debian, &[]);
        let (first, second) = (podman.expect(&[], STEPS), podman.expect(&[], STEPS));
        assert_ne!((first.program, first.cgroup), (second.program, second.cgroup));
        assert_eq!(podman.hook_runs().len(), 2);
    });
}

#[test]
fn nobody_else_can_write_to_the_log() {
    with_each(|debian| {
        let podman = Podman::of(debian, &[]);
        podman.expect(&[], STEPS);
        let log = fs::metadata(podman.log()).expect("the hook made its log");
        assert_eq!(log.permissions().mode() & 0o022, 0);
    });
}

#[test]
fn a_restarted_container_has_a_new_program() {
    with_each(|debian| {
        let podman = Podman::of(debian, &[]);
        let mut session = podman.start(&["--name=restarted", "--detach"], STEPS);
        assert_eq!(session.wait().code, Some(0));
        let first = podman.last_gated();
        first.assert_running();
        podman.command_succeeds(&["restart", "--time=0", "restarted"]);
        let second = podman.last_gated();
        assert_eq!(podman.hook_runs().len(), 2);
        second.assert_running();
        assert_ne!(first.program, second.program);
        let logs = || podman.logs("restarted");
        eventually("both took their steps", || logs().matches(READY).count() == 2);
        for printed in logs().split_terminator(READY).take(2) {
            assert_answers(printed.split_terminator('\n').filter(|line| !line.is_empty()), STEPS);
        }
        podman.command_succeeds(&["rm", "--force", "--time=0", "restarted"]);
        first.assert_gone();
        second.assert_gone();
    });
}

#[test]
fn a_log_that_cant_be_opened_stops_the_container() {
    with_each(|debian| {
        let podman = Podman::without_hook_of(debian);
        // Not a missing folder: whatever says "no such file", podman takes for a missing command
        // and exits with 127.
        let log = podman.path("unusable.log");
        podman.add_devgate(&["--log", &log]);
        // `install` would refuse it.
        fs::create_dir(&log).expect("a folder can be made");
        // crun shows what a hook prints nowhere else.
        let printed = podman.path("printed");
        let annotation = format!("--annotation=run.oci.hooks.stderr={printed}");
        let stderr = podman.expect_failure(&[&annotation]);
        let printed = fs::read_to_string(printed).unwrap_or_default();
        let complaint = format!("devgate: log {log} can't be opened: Is a directory");
        assert!(stderr.contains(&complaint) || printed.contains(&complaint), "{stderr}{printed}");
    });
}

/// runc refuses `--cgroups=disabled` itself.
#[test]
fn a_container_in_its_callers_cgroup_is_not_started() {
    if !Debian::Trixie.is_ready() {
        return;
    }
    let podman = Podman::of(Debian::Trixie, &[]);
    let caller = podman.expect_failure_in_callers_cgroup();
    assert_refused(&podman.hook_runs(), "podman --cgroups=disabled does that");
    Inspected::of(&caller).assert_nothing();
}
