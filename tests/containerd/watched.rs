//! `devgate watch` names the container, the pod, the program and the rule of each denial.

use serde_json::json;

use crate::common::command::command;
use crate::common::watching::Watching;
use crate::daemon::{self, Containerd};
use crate::kinds::DEVICE;
use crate::pods::Runtime;
use crate::spec::Spec;
use crate::version::each;

#[test]
fn each_denial_of_a_pods_container_is_told() {
    each(|version| {
        let place = daemon::place(version);
        Spec::apply(version, &place);
        let runtime = Runtime::new(Containerd::start(version, place));
        let mut watching = Watching::start(&mut command(&["watch", "--json"]));
        let pod = runtime.start_pod();
        let container = pod.start(pod.config(&DEVICE.asked, DEVICE.steps)).expect("it starts");
        container.expect(DEVICE.steps);
        let run = runtime.containerd.hook_runs(&container.id).pop().expect("the hook ran");
        for (numbers, access) in [((510, 7), "w"), ((510, 7), "rw"), ((10, 229), "r")] {
            let found = watching.object(|found| found["container"] == json!(container.id));
            assert_eq!(
                (&found["major"], &found["minor"]),
                (&json!(numbers.0), &json!(numbers.1)),
                "{found}"
            );
            assert_eq!(
                (&found["access"], &found["verdict"]),
                (&json!(access), &json!("deny")),
                "{found}"
            );
            let named =
                ["name", "namespace", "pod"].map(|key| found[key].as_str().unwrap_or_default());
            assert_eq!(named, ["container", "default", "pod"], "{found}");
            assert_eq!(found["program"], json!(run.program), "{found}");
            assert_eq!(found["rule"], "deny a *:* rwm (devices[0])", "{found}");
        }
        container.remove();
        pod.remove();
        runtime.containerd.assert_empty();
    });
}
