//! After a container has stopped, neither its pin nor its record is left.

use std::path::Path;

use devgate::hold::{PINS, Pins};
use serde_json::{Value, json};

use crate::common::engine::eventually;
use crate::common::engine::podman::Podman;
use crate::podman::{STEPS, with_each};

fn pins() -> Vec<u64> {
    let pins = Pins::existing(Path::new(PINS)).expect("the directory is the test's own");
    pins.map(|pins| pins.ids().expect("it can be listed")).unwrap_or_default()
}

/// The latest container was held, and nothing of it is left.
#[track_caller]
fn assert_released(podman: &Podman, count: usize) {
    let run = podman.hook_runs().pop().expect("the hook ran");
    let pin = run.pin.expect("it was held");
    eventually("the hook ran after the container", || podman.releases().len() >= count);
    let released = podman.releases().pop().expect("there are some");
    assert_eq!((&released.container, &released.pin), (&run.container, &Some(pin)));
    assert_eq!((released.result.as_str(), &released.warnings[..]), ("released", &[][..]));
    assert_eq!((podman.records(), pins()), (Vec::new(), Vec::new()));
}

#[test]
fn nothing_is_left_however_a_container_ends() {
    with_each(|debian| {
        let podman = Podman::of(debian, &[]);
        podman.expect(&[], STEPS);
        assert_released(&podman, 1);
        let mut session = podman.start(&["--name=one", "--detach"], STEPS);
        assert_eq!(session.wait().code, Some(0));
        assert_eq!(pins().len(), 1);
        podman.command_succeeds(&["stop", "--time=0", "one"]);
        assert_released(&podman, 2);
        podman.command_succeeds(&["start", "one"]);
        assert_eq!(pins().len(), 1);
        podman.command_succeeds(&["kill", "one"]);
        assert_released(&podman, 3);
        podman.command_succeeds(&["start", "one"]);
        podman.command_succeeds(&["rm", "--force", "--time=0", "one"]);
        assert_released(&podman, 4);
    });
}

/// As 0.1.0 was registered: containers leave their pins and records.
#[test]
fn the_next_container_takes_dead_pins_with_it_and_gc_the_records() {
    with_each(|debian| {
        let podman = Podman::without_hook_of(debian);
        let log = podman.log();
        let options = ["--log", &log, "--log-format", "json"];
        podman.add_devgate(&options);
        let file = podman.path("hooks/devgate.json");
        let text = std::fs::read_to_string(&file).expect("it was installed");
        let mut old: Value = serde_json::from_str(&text).expect("it is JSON");
        old["stages"] = json!(["createRuntime"]);
        podman.add_hook_file("devgate.json", &old);
        podman.expect(&[], STEPS);
        assert_eq!((pins().len(), podman.releases().len()), (1, 0));
        let left = pins();
        eventually("its link ended", || {
            Pins::open(Path::new(PINS)).and_then(|pins| pins.is_dead(left[0])).expect("a pin")
        });

        podman.add_devgate(&options);
        podman.expect(&[], STEPS);
        eventually("the hook ran after the container", || podman.releases().len() == 1);
        assert_eq!(pins(), [0; 0]);
        assert_eq!(podman.records().len(), 2, "a record and its lock");
        let gc = podman.devgate(&["gc"]);
        let said = "removed 0 pins and 1 record of containers that ended; in use: 0 pins and 0 \
                    records\n";
        assert_eq!(gc.success(), said);
        assert_eq!(podman.records(), [""; 0]);
    });
}
