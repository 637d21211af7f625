//! devgate beside the hooks of others in one folder, which podman runs in order of their names.

use std::fs;

use serde_json::json;

use crate::common::engine::eventually;
use crate::common::engine::host::Debian;
use crate::common::engine::podman::Podman;
use crate::podman::{STEPS, with_each};

/// podman, with devgate between two hooks that note the lines of devgate's log.
fn podman_with_neighbours(debian: Debian) -> Podman {
    let podman = Podman::of(debian, &[]);
    for (file, name) in [("a.json", "before"), ("z.json", "after")] {
        let note = r#"echo "$1: $(cat "$2" | wc -l)" >>"$3""#;
        let args = ["busybox", "sh", "-c", note, "sh", name, &podman.log(), &podman.path("notes")];
        podman.add_hook(file, "/bin/busybox", &args);
    }
    podman
}

fn notes(podman: &Podman) -> String {
    fs::read_to_string(podman.path("notes")).unwrap_or_default()
}

#[test]
fn all_hooks_of_the_folder_run_in_order() {
    with_each(|debian| {
        let podman = podman_with_neighbours(debian);
        podman.expect(&[], STEPS);
        assert_eq!(notes(&podman), "before: 0\nafter: 1\n");
    });
}

#[test]
fn an_earlier_hook_that_fails_stops_devgate_and_the_container() {
    with_each(|debian| {
        let podman = podman_with_neighbours(debian);
        podman.add_hook("b.json", "/bin/busybox", &["busybox", "false"]);
        podman.expect_failure(&[]);
        assert_eq!(notes(&podman), "before: 0\n");
        assert!(!fs::exists(podman.log()).expect("the folder can be read"));
    });
}

/// A runtime calls no poststop hooks for a container that did not start, so its pin stays.
#[track_caller]
fn assert_collected(podman: &Podman) {
    let pin = podman.hook_runs().pop().and_then(|run| run.pin).expect("it was held");
    eventually("gc removes the pin once it is dead", || {
        podman.devgate(&["gc"]).success();
        podman.records().is_empty() && !fs::exists(&pin).expect("it can be told")
    });
    podman.last_gated().assert_gone();
}

#[test]
fn a_later_hook_that_fails_takes_devgates_program_with_it() {
    with_each(|debian| {
        let podman = podman_with_neighbours(debian);
        podman.add_hook("e.json", "/bin/busybox", &["busybox", "false"]);
        podman.expect_failure(&[]);
        assert_eq!(notes(&podman), "before: 0\n");
        assert_collected(&podman);
    });
}

/// As `devgate install` writes one, so that a hook which hangs does not hang its engine.
#[test]
fn a_hook_is_killed_at_its_timeout_and_the_container_does_not_start() {
    with_each(|debian| {
        let podman = podman_with_neighbours(debian);
        let hook = json!({
            "version": "1.0.0",
            "hook": {"path": "/bin/busybox", "args": ["busybox", "sleep", "600"], "timeout": 1},
            "when": {"always": true},
            "stages": ["createRuntime"],
        });
        podman.add_hook_file("e.json", &hook);
        let stderr = podman.expect_failure(&[]);
        println!("{stderr}");
        assert!(stderr.contains("timeout"), "{stderr}");
        assert_eq!(notes(&podman), "before: 0\n");
        assert_collected(&podman);
    });
}
