//! What real engines wrote, through the real binary. Its listings are golden files, which
//! `DEVGATE_BLESS=1 cargo test --test samples` makes again.

mod common;

use std::fs;

use common::command::devgate;
use common::files::{config, golden, sample, samples, state};

/// Samples whose listings are golden.
const GOLDEN: [&str; 4] = ["containerd21-plain", "cri-device", "podman4-device", "podman4-plain"];

/// /dev/null, /dev/fuse, /dev/kmsg, /dev/console, /dev/loop0.
const REQUESTS: [&str; 5] = ["c 1:3 rwm", "c 10:229 rw", "c 1:11 r", "c 5:1 rw", "b 7:0 r"];

/// Of these, what each sample's container may do.
const VERDICTS: [(&str, &[&str]); 27] = [
    ("containerd16-device", &["c 1:3 rwm", "c 10:229 rw", "c 5:1 rw"]),
    ("containerd16-hook", &["c 1:3 rwm", "c 10:229 rw", "c 5:1 rw"]),
    ("containerd16-plain", &["c 1:3 rwm", "c 5:1 rw"]),
    ("containerd16-privileged", &REQUESTS),
    ("containerd21-device", &["c 1:3 rwm", "c 10:229 rw", "c 5:1 rw"]),
    ("containerd21-hook", &["c 1:3 rwm", "c 10:229 rw", "c 5:1 rw"]),
    ("containerd21-plain", &["c 1:3 rwm", "c 5:1 rw"]),
    ("containerd21-privileged", &REQUESTS),
    ("cri-cdi", &["c 1:3 rwm", "c 10:229 rw"]),
    ("cri-device", &["c 1:3 rwm", "c 10:229 rw"]),
    ("cri-privileged", &REQUESTS),
    ("cri-privileged-unfiltered", &REQUESTS),
    ("podman4-annotation", &["c 1:3 rwm"]),
    ("podman4-cgroups-disabled", &["c 1:3 rwm"]),
    ("podman4-crun121", &["c 1:3 rwm"]),
    ("podman4-crun128", &["c 1:3 rwm"]),
    ("podman4-device", &["c 1:3 rwm", "c 10:229 rw", "b 7:0 r"]),
    ("podman4-plain", &["c 1:3 rwm"]),
    ("podman4-privileged", &REQUESTS),
    ("podman4-rule", &["c 1:3 rwm", "c 10:229 rw"]),
    ("podman4-runc136", &["c 1:3 rwm"]),
    ("podman5-crun128-systemd", &["c 1:3 rwm", "c 10:229 rw"]),
    ("podman5-runc-systemd", &["c 1:3 rwm", "c 10:229 rw"]),
    ("podman58-runc", &["c 1:3 rwm"]),
    ("vm-cgroups-split", &["c 1:3 rwm"]),
    ("vm-crun-systemd", &["c 1:3 rwm", "c 10:229 rw"]),
    ("vm-runc-systemd", &["c 1:3 rwm", "c 10:229 rw"]),
];

#[test]
fn every_sample_is_known() {
    assert_eq!(samples(), VERDICTS.map(|(name, _)| name));
}

#[test]
fn check_says_what_each_container_may_do() {
    for (name, allowed) in VERDICTS {
        let path = sample(name, "config.json");
        let path = path.to_str().expect("a path of text");
        let run = devgate(&[&["check", "--config", path][..], &REQUESTS].concat(), "");
        let code = if allowed.len() == REQUESTS.len() { 0 } else { 3 };
        assert_eq!((run.code, run.stderr.as_str()), (Some(code), ""), "{name}: {run:?}");
        let found: Vec<&str> =
            run.text().lines().filter_map(|line| line.strip_prefix("allow")).collect();
        let says = |line: &str, request: &str| line.trim_start().starts_with(request);
        assert!(
            found.len() == allowed.len() && found.iter().zip(allowed).all(|(l, r)| says(l, r)),
            "{name}: {run:?}"
        );
    }
}

#[test]
fn the_hooks_dry_run_takes_each_state_and_config() {
    for (name, _) in VERDICTS {
        let state = state(name);
        let run = devgate(&["hook", "--dry-run"], format!("{state}{}", config(name)));
        let text = run.success();
        let pid = serde_json::from_str::<serde_json::Value>(&state).expect("JSON")["pid"].clone();
        assert!(text.contains("devices[0]\n"), "{name}: {text}");
        assert!(text.contains(&format!("process {pid}\n")), "{name}: {text}");
    }
}

#[test]
fn the_hooks_dry_run_finds_each_config_in_its_bundle() {
    for (name, _) in VERDICTS {
        let bundle = tempfile::tempdir().expect("a folder");
        fs::copy(sample(name, "config.json"), bundle.path().join("config.json")).expect("a copy");
        let mut state: serde_json::Value = serde_json::from_str(&state(name)).expect("JSON");
        state["bundle"] = bundle.path().to_str().into();
        let of_bundle = devgate(&["hook", "--dry-run"], state.to_string());
        let on_stdin = devgate(&["hook", "--dry-run"], format!("{state}{}", config(name)));
        assert_eq!(of_bundle.success(), on_stdin.success(), "{name}");
    }
}

#[test]
fn listings_are_as_before() {
    for name in GOLDEN {
        let path = sample(name, "config.json");
        let args = ["compile", "--config", path.to_str().expect("a path of text")];
        golden(&format!("{name}.txt"), devgate(&args, "").success());
    }
}
