//! podman 4 with runc, and podman 5 with crun.

use crate::common::engine::answers::Answer::Passed;
use crate::common::engine::answers::{READY, Steps, assert_answers};
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
        assert_eq!(shown.asked("deny"), [""; 0]);
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
        assert_eq!(again.asked("deny"), [""; 0]);
        assert_eq!(again.asked("allow"), shown.asked("allow"));

        for (index, rule) in LEARNT.iter().enumerate() {
            let name = format!("without-{index}");
            record_as(&podman, &name, &["--default-devices=none"]);
            let mut fewer = flags.clone();
            fewer.drain(2 * index..2 * index + 2);
            // Without /dev/null it may not even start.
            let mut session = podman.start(&[&["--rm"], &strs(&fewer)[..]].concat(), STEPS);
            session.finish();
            let denied = show(&podman, &name).asked("deny");
            let (device, _) = rule.rsplit_once(' ').expect("a rule has access");
            assert!(!denied.is_empty(), "{rule} is not needed");
            assert!(denied.iter().all(|request| request.starts_with(device)), "{rule}: {denied:?}");
        }
    });
}

/// What the detached container of this name printed.
fn printed(podman: &Podman, name: &str) -> String {
    eventually("it took its steps", || podman.logs(name).contains(READY));
    podman.logs(name)
}

/// The runtime opens /dev/ptmx and the terminal itself, after the hook.
#[test]
fn a_terminal_is_part_of_what_was_learnt() {
    with_each(|debian| {
        let podman = Podman::of(debian, &["--record=tty"]);
        let start = |name: &str, options: &[&str]| {
            let name = format!("--name={name}");
            let options = [&["--detach", "--tty", &name], options].concat();
            assert_eq!(podman.start(&options, STEPS).wait().code, Some(0));
        };
        start("one", &ALLOWED);
        let before = printed(&podman, "one");
        podman.command_succeeds(&["rm", "--force", "--time=0", "one"]);
        let shown = show(&podman, "tty");
        let asked = shown.asked("allow");
        assert!(asked.iter().any(|request| request.starts_with("c 136:")), "{asked:?}");
        let flags = podman.devgate(&["record", "show", "tty", "--format", "podman"]);
        assert!(flags.success().contains("--device-cgroup-rule 'c 136:* rw'\n"), "{flags:?}");

        record_as(&podman, "again", &["--default-devices=none"]);
        start("two", &strs(&words(flags.text())));
        assert_eq!(printed(&podman, "two"), before);
        podman.command_succeeds(&["rm", "--force", "--time=0", "two"]);
        assert_eq!(show(&podman, "again").asked("deny"), [""; 0]);
    });
}

/// podman's own rules have no node of it: the flags make one.
#[test]
fn a_device_of_the_host_comes_with_its_node() {
    let steps: &Steps = &[("r /dev/fuse", Passed), ("w /dev/null", Passed)];
    with_each(|debian| {
        let podman = Podman::of(debian, &["--record=fuse"]);
        let before = run(&podman, &["--device=/dev/fuse:/dev/fuse:rw"], steps);
        assert_answers(before.iter().map(String::as_str), steps);
        show(&podman, "fuse");
        let flags = podman.devgate(&["record", "show", "fuse", "--format", "podman"]);
        let expected = "--device-cgroup-rule 'c 1:3 rw'\n--device /dev/fuse:/dev/fuse:r\n";
        assert_eq!(flags.success(), expected);
        record_as(&podman, "again", &["--default-devices=none"]);
        assert_eq!(run(&podman, &strs(&words(flags.text())), steps), before);
        assert_eq!(show(&podman, "again").asked("deny"), [""; 0]);
    });
}

/// Whoever would have cleaned up is killed, so no hook runs at the end.
#[test]
fn a_killed_container_or_conmon_loses_nothing() {
    with_each(|debian| {
        let podman = Podman::of(debian, &["--record=killed"]);
        for victims in [&["init"][..], &["conmon", "init"]] {
            println!("{victims:?}");
            let options = [&["--detach", "--name=killed"], &ALLOWED[..]].concat();
            assert_eq!(podman.start(&options, STEPS).wait().code, Some(0));
            printed(&podman, "killed");
            for victim in victims {
                let format =
                    if *victim == "init" { "{{.State.Pid}}" } else { "{{.State.ConmonPid}}" };
                let pid = podman.inspect("killed", format);
                let pid = nix::unistd::Pid::from_raw(pid.parse().expect("a process id"));
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it runs");
            }
            podman.try_command(&["rm", "--force", "--time=0", "killed"]);
            podman.remove_cgroups();
        }
        let shown = show(&podman, "killed");
        assert_eq!(shown.runs().len(), 2);
        assert!(shown.runs().iter().all(|run| run["progress"] == "ended"));
        assert_eq!(shown.count("c 1:5 r", "allow"), 2);
    });
}
