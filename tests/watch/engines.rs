//! Containers of engines: podman 4 with runc, and podman 5 with crun. Those of containerd are in
//! tests/containerd.

use serde_json::json;

use super::common::engine::answers::Answer::{Passed, Refused};
use super::common::engine::answers::Steps;
use super::common::engine::host::Debian;
use super::common::engine::podman::Podman;
use super::common::watching::Watching;
use super::stand::alone;

const STEPS: &Steps = &[
    ("rw /dev/null", Passed),
    ("m /dev/fuse2 c 10 229", Passed),
    ("r /dev/fuse2", Passed),
    ("rw /dev/fuse2", Refused),
    ("m /dev/blk b 510 7", Passed),
    ("r /dev/blk", Refused),
];

#[test]
fn each_denial_of_podmans_containers_is_told() {
    for debian in [Debian::Own, Debian::Trixie] {
        if !debian.is_ready() {
            continue;
        }
        println!("{debian:?}");
        let _alone = alone();
        let podman = Podman::of(debian, &[]);
        let mut watching = Watching::start(&mut podman.devgate_command(&["watch", "--json"]));
        let options = ["--rm", "--name=web", "--device-cgroup-rule=c 10:229 r"];
        let mut session = podman.start_of_image(&options, STEPS);
        session.expect(STEPS);
        let gated = podman.last_gated();
        let run = podman.hook_runs().pop().unwrap();
        for (numbers, access) in [((10, 229), "rw"), ((510, 7), "r")] {
            let found = watching.object(|found| {
                (&found["major"], &found["minor"]) == (&json!(numbers.0), &json!(numbers.1))
            });
            assert_eq!(found["container"], json!(run.container), "{found}");
            assert_eq!(
                (&found["name"], &found["verdict"]),
                (&json!("web"), &json!("deny")),
                "{found}"
            );
            assert_eq!((&found["access"], &found["count"]), (&json!(access), &json!(1)), "{found}");
            assert_eq!(
                (&found["program"], &found["generator"]),
                (&json!(gated.program), &json!("devgate"))
            );
            assert_eq!(
                (&found["program_cgroup"], &found["command"]),
                (&json!(run.cgroup), &json!("sh"))
            );
            assert_eq!(found["rule"], "deny a *:* rwm (devices[0])", "{found}");
        }
        session.finish();
        gated.assert_gone();
        let (_, rest) = watching.end(nix::sys::signal::Signal::SIGTERM);
        let of_container = |line: &&String| line.contains(run.container.as_deref().unwrap());
        assert_eq!(rest.iter().filter(of_container).count(), 0, "{rest:?}");
    }
}
