//! podman 4 with runc, and podman 5 with crun.

use crate::common::engine::answers::{Steps, assert_answers};
use crate::common::engine::eventually;
use crate::common::engine::host::Debian;
use crate::common::engine::podman::Podman;
use crate::workload::{ALLOWED, LEARNT, STEPS, Shown, words};

/// Runs this with each Debian's podman that there is.
fn with_each(test: impl Fn(Debian)) {
    for debian in [Debian::Own, Debian::Trixie] {
        if debian.is_ready() {
            // Shown where it fails.
            println!("{debian:?}");
            test(debian);
        }
    }
}

/// Has the hook record as `name`, from now on.
fn record_as(podman: &Podman, name: &str, options: &[&str]) {
    let (log, record) = (podman.log(), format!("--record={name}"));
    let first = ["--log", &log, "--log-format", "json", &record];
    podman.add_devgate(&[&first, options].concat());
}

/// A container with these options takes these steps, to its end. Returns what it printed.
fn run(podman: &Podman, options: &[&str], steps: &Steps) -> Vec<String> {
    let mut session = podman.start(&[&["--rm"], options].concat(), steps);
    let answers = session.answers();
    session.finish();
    answers
}

fn show(podman: &Podman, name: &str) -> Shown {
    eventually("the container's cgroup is gone", || !podman.has_container_cgroups());
    Shown::of(&podman.devgate(&["record", "show", name, "--format", "json"]))
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn a_workload_runs_again_under_what_was_learnt_and_needs_all_of_it() {
    with_each(|debian| {
        let podman = Podman::of(debian, &["--record=web"]);
        let before = run(&podman, &ALLOWED, STEPS);
        assert_answers(before.iter().map(String::as_str), STEPS);
        let shown = show(&podman, "web");
        assert_eq!(shown.asked("denied"), [""; 0]);
        assert_eq!(shown.runs()[0]["progress"], "ended");
        let flags = podman.devgate(&["record", "show", "web", "--format", "podman"]);
        let expected: Vec<String> =
            LEARNT.iter().map(|rule| format!("--device-cgroup-rule '{rule}'\n")).collect();
        assert_eq!(flags.success(), expected.concat());

        record_as(&podman, "again", &["--default-devices=none"]);
        let flags = words(flags.text());
        let after = run(&podman, &strs(&flags), STEPS);
        assert_eq!(after, before);
        let again = show(&podman, "again");
        assert_eq!(again.asked("denied"), [""; 0]);
        assert_eq!(again.asked("allowed"), shown.asked("allowed"));

        for (index, rule) in LEARNT.iter().enumerate() {
            let name = format!("without-{index}");
            record_as(&podman, &name, &["--default-devices=none"]);
            let mut fewer = flags.clone();
            fewer.drain(2 * index..2 * index + 2);
            // Without /dev/null it may not even start.
            let mut session = podman.start(&[&["--rm"], &strs(&fewer)[..]].concat(), STEPS);
            session.finish();
            let denied = show(&podman, &name).asked("denied");
            let (device, _) = rule.rsplit_once(' ').expect("a rule has access");
            assert!(!denied.is_empty(), "{rule} is not needed");
            assert!(denied.iter().all(|request| request.starts_with(device)), "{rule}: {denied:?}");
        }
    });
}
