//! What containers were denied since `devgate observe start`, though nobody watched.

use serde_json::Value;

use crate::common::engine::answers::Answer::{Passed, Refused};
use crate::common::engine::answers::Steps;
use crate::common::engine::eventually;
use crate::common::engine::podman::Podman;
use crate::common::own::isolate;
use crate::podman::with_each;

/// Two devices; the second is denied for each access.
const STEPS: &Steps = &[
    ("rw /dev/null", Passed),
    ("m /dev/other c 10 229", Passed),
    ("r /dev/other", Refused),
    ("r /dev/other", Refused),
    ("r /dev/other", Refused),
    ("w /dev/other", Refused),
    ("rw /dev/other", Refused),
    ("rw /dev/other", Refused),
];

/// What the engines' containers opened and were denied.
const DENIED: [(&str, u64); 3] = [("r", 3), ("rw", 2), ("w", 1)];

#[test]
fn denials_are_the_opens_of_a_container_that_nobody_watched() {
    isolate();
    with_each(|debian| {
        let podman = Podman::of(debian, &[]);
        let top = format!("/sys/fs/cgroup{}", podman.cgroup_parent());
        podman.devgate(&["observe", "start", "--cgroup", &top]).success();
        for name in ["one", "two"] {
            let mut session = podman.start(&["--rm", "--name", name], STEPS);
            session.expect(STEPS);
            assert_denied(&podman, name, "running");
            session.finish();
            eventually("the hook ran after the container", || !podman.has_container_cgroups());
            let is_ended = || {
                let rows = rows(&podman, name);
                !rows.is_empty() && rows.iter().all(|row| row["ended"].is_string())
            };
            eventually("its denials were kept", is_ended);
            assert_denied(&podman, name, "ended");
        }
        let status = podman.devgate(&["observe", "status", "--json"]);
        let status: Value = serde_json::from_str(status.success()).expect("JSON");
        assert_eq!((&status["ended_containers"], &status["lost"]), (&2.into(), &0.into()));
        assert_eq!(podman.devgate(&["observe", "stop"]).success(), "stopped observing\n");
    });
}

fn rows(podman: &Podman, name: &str) -> Vec<Value> {
    let denials = podman.devgate(&["denials", name, "--json"]);
    let mut denials: Value = serde_json::from_str(denials.success()).expect("JSON");
    serde_json::from_value(denials["denials"].take()).expect("a list")
}

/// By the container's name; the rule is that of its config.
#[track_caller]
fn assert_denied(podman: &Podman, name: &str, when: &str) {
    let rows = rows(podman, name);
    let mut counts: Vec<(&str, u64)> = rows
        .iter()
        .filter(|row| (&row["major"], &row["minor"]) == (&10.into(), &229.into()))
        .map(|row| {
            (row["access"].as_str().expect("text"), row["count"].as_u64().expect("a number"))
        })
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, DENIED, "{when}: {rows:?}");
    for row in &rows {
        assert_eq!((&row["name"], &row["verdict"]), (&name.into(), &"deny".into()), "{when}");
        assert_eq!(row["rule"], "deny a *:* rwm (devices[0])", "{when}: {row}");
        assert_eq!(row["program"].is_u64(), when == "running", "{row}");
    }
}
