//! Bad usage exits with 2 and touches nothing; help goes to standard output.

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Stdio;
use std::ptr::null_mut;

use super::common::command::{command, devgate};

#[test]
fn bad_usage() {
    for args in [
        &["frobnicate"][..],
        &["--frobnicate"],
        &["hook", "state.json"],
        &["hook", "--stale", "some"],
        &["hook", "--rootless", "ignore"],
        &["hook", "--default-devices", "most"],
        &["hook", "--log-format", "xml"],
        &["hook", "--log"],
        &["apply"],
        &["apply", "--cgroup", "/x"],
        &["apply", "--config", "-"],
        &["check", "--config", "-"],
        &["check", "c 1:3 r"],
        &["compile"],
        &["inspect", "--cgroup", "/x", "--pid", "1"],
        &["inspect", "--pid", "0"],
        &["inspect", "--pid", "-1"],
        &["inspect", "--pid", "x"],
        &["inspect", "--pid", "2147483648"],
        &["detach", "--cgroup", "/x"],
        &["detach", "--cgroup", "/x", "--id", "0"],
        &["detach", "--cgroup", "/x", "--id", "-1"],
        &["detach", "--cgroup", "/x", "--id", "4294967296"],
        &["demo", "extra"],
        &["doctor", "everything"],
    ] {
        let run = devgate(args, "");
        assert_eq!((run.code, run.text()), (Some(2), ""), "{args:?}: {run:?}");
        assert!(!run.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn help() {
    for args in [&["--help"][..], &["-h"], &["hook", "--help"], &["check", "--help"]] {
        let run = devgate(args, "");
        assert!(run.success().contains("Usage: devgate"), "{args:?}: {run:?}");
    }
    let help = devgate(&["--help"], "");
    for command in ["hook", "apply", "inspect", "detach", "check", "compile", "doctor", "demo"] {
        let line = help.text().lines().find(|line| line.trim_start().starts_with(command));
        assert!(line.is_some(), "{command} is not in {help:?}");
    }
    let version = devgate(&["--version"], "");
    assert_eq!(version.success(), concat!("devgate ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// A terminal's two ends.
fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: openpty writes two descriptors, and takes no name and no settings.
    let made = unsafe { libc::openpty(&mut ours, &mut theirs, null_mut(), null_mut(), null_mut()) };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just made for us.
    unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

#[test]
fn without_a_command_on_a_terminal() {
    let (_ours, theirs) = terminal();
    let output = command(&[]).stdin(Stdio::from(theirs)).output().expect("it can be run");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: devgate"), "{output:?}");
}

#[test]
fn output_that_can_not_be_written_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut check = command(&["check", "--config", sample().as_str(), "c 1:3 r"]);
    let output = check.stdout(full).output().expect("it can be run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(stderr, "devgate: standard output: No space left on device (os error 28)\n");
}

fn sample() -> String {
    let path = super::common::files::sample("podman4-plain", "config.json");
    path.to_str().expect("a path of text").to_owned()
}

/// `doctor` tells by them whether a registration's arguments are a hook's.
#[test]
fn the_hooks_options_are_those_that_are_registered() {
    let help = devgate(&["hook", "--help"], "");
    let words = help.success().split_whitespace();
    let own = words.filter(|word| word.starts_with("--") && word.len() > 2);
    let mut own: Vec<&str> = own.collect();
    own.sort_unstable();
    own.dedup();
    own.retain(|option| !matches!(*option, "--dry-run" | "--help"));
    let own: Vec<&str> = own.iter().map(|option| option.trim_end_matches("[=<NAME>]")).collect();
    let mut registered = [&devgate::install::OPTIONS[..], &[devgate::install::RECORD]].concat();
    registered.sort_unstable();
    assert_eq!(own, registered);
}

/// The commands that a command's help lists.
fn commands(of: &[&str]) -> Vec<String> {
    let help = devgate(&[of, &["--help"]].concat(), "");
    let listed = help.success().lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    listed.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn every_command_shows_an_example() {
    let mut seen = 0;
    for command in commands(&[]) {
        let own = commands(&[&command]);
        let with_engine = own.iter().map(|engine| vec![command.as_str(), engine]);
        for command in [vec![command.as_str()]].into_iter().chain(with_engine) {
            let help = devgate(&[&command[..], &["--help"]].concat(), "");
            let example = format!("\n  devgate {}", command.join(" "));
            let has = help.success().contains("Example") && help.text().contains(&example);
            assert!(has, "{help:?}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}
