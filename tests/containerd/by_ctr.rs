//! `ctr run --config`, with devgate as a hook of that spec.

use crate::common::command::devgate;
use crate::common::engine::answers::{Steps, script};
use crate::common::engine::rootfs;
use crate::common::engine::session::Session;
use crate::daemon::{self, Containerd};
use crate::kinds::{Asked, COMPLAINT, DEVICE, OF_SPECS, RULES, UNKNOWN_PERMISSION};
use crate::spec::Spec;
use crate::version::{Version, each};

/// A containerd for ctr's containers, which are all called so.
struct Ctr {
    containerd: Containerd,
    version: Version,
}

const ID: &str = "container";

impl Ctr {
    fn new(version: Version) -> Ctr {
        let containerd = Containerd::start(version, daemon::place(version));
        rootfs::make(&containerd.place().dir().join("rootfs"));
        Ctr { containerd, version }
    }

    /// The container's spec.
    fn spec(&self, asked: &Asked, steps: &Steps) -> Spec {
        let place = self.containerd.place();
        let mut spec = Spec::new(self.version, place);
        spec.set_container(place, &script(steps));
        match asked {
            Asked::Nothing => {}
            Asked::Device(permissions) => spec.add_device(permissions),
            Asked::Rules(rules) => spec.set_rules(rules),
            Asked::Everything => spec.set_rules(r#"[{"allow": true, "access": "rwm"}]"#),
        }
        spec
    }

    /// Writes the spec, and gives its path.
    fn write(&self, spec: &Spec) -> String {
        spec.write(self.containerd.place().dir().join("spec.json"))
    }

    fn run(&self, spec: &Spec) -> Session {
        self.attached(&["run", "--rm", "--config", &self.write(spec)])
    }

    /// A command that runs the container, attached to it.
    fn attached(&self, args: &[&str]) -> Session {
        let place = self.containerd.place();
        let mut command = self.containerd.ctr(args);
        command.args(["--fifo-dir", &place.path("fifos"), ID]);
        Session::start(&mut command, place)
    }

    #[track_caller]
    fn assert_empty(&self) {
        self.containerd.assert_empty();
        for things in ["containers", "tasks"] {
            assert_eq!(self.containerd.succeed(&[things, "list", "--quiet"]), "");
        }
    }
}

#[test]
fn a_container_opens_what_its_spec_says() {
    each(|version| {
        let ctr = Ctr::new(version);
        for kind in OF_SPECS {
            println!("{version:?}, {}", kind.name);
            let mut session = ctr.run(&ctr.spec(&kind.asked, kind.steps));
            session.expect(kind.steps);
            let gated = ctr.containerd.expect_gated(ID, kind);
            // `read` was told that there is nothing to read.
            let ended = session.finish();
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
            gated.assert_gone();
            ctr.assert_empty();
        }
    });
}

#[test]
fn a_container_that_the_hook_refuses_does_not_start() {
    each(|version| {
        let ctr = Ctr::new(version);
        let stderr = ctr.run(&ctr.spec(&UNKNOWN_PERMISSION, &[])).expect_failure(1);
        assert!(stderr.contains(COMPLAINT), "{stderr}");
        ctr.assert_empty();
    });
}

#[test]
fn other_hooks_run_before_and_after() {
    each(|version| {
        let ctr = Ctr::new(version);
        let [before, after] = ["before", "after"].map(|name| ctr.containerd.place().path(name));
        let mut spec = ctr.spec(&RULES.asked, RULES.steps);
        spec.add_hooks_around(&before, &after);
        let mut session = ctr.run(&spec);
        session.expect(RULES.steps);
        ctr.containerd.expect_gated(ID, &RULES);
        assert!([before, after].iter().all(|file| std::fs::exists(file).expect("it can be told")));
        session.finish();
    });
}

#[test]
fn a_container_that_is_started_again_has_a_new_program() {
    each(|version| {
        let ctr = Ctr::new(version);
        let spec = ctr.write(&ctr.spec(&DEVICE.asked, DEVICE.steps));
        ctr.containerd.succeed(&["containers", "create", "--config", &spec, ID]);
        let [first, second] = [(); 2].map(|()| {
            let mut session = ctr.attached(&["tasks", "start"]);
            session.expect(DEVICE.steps);
            let gated = ctr.containerd.expect_gated(ID, &DEVICE);
            session.finish();
            gated.assert_gone();
            gated
        });
        assert_ne!(first.program, second.program);
        assert_eq!(ctr.containerd.hook_runs(ID).len(), 2);
        ctr.containerd.succeed(&["containers", "delete", ID]);
        ctr.assert_empty();
    });
}

/// The record is the first one's; the second is held without one.
#[test]
fn of_two_engines_with_one_id_each_container_keeps_its_pin() {
    if !(Version::One.is_ready() && Version::Two.is_ready()) {
        return;
    }
    let (one, two) = (Ctr::new(Version::One), Ctr::new(Version::Two));
    let mut first = one.run(&one.spec(&DEVICE.asked, DEVICE.steps));
    first.expect(DEVICE.steps);
    one.containerd.expect_gated(ID, &DEVICE);
    let mut second = two.run(&two.spec(&DEVICE.asked, DEVICE.steps));
    second.expect(DEVICE.steps);
    two.containerd.expect_gated(ID, &DEVICE);
    let run = two.containerd.hook_runs(ID).pop().expect("the hook ran");
    let taken = "another container with id container has a record";
    assert!(run.warnings.iter().any(|warning| warning.contains(taken)), "{run:?}");

    second.finish();
    two.assert_empty();
    let kept = two.containerd.releases(ID).pop().expect("the hook ran");
    assert_eq!((kept.result.as_str(), kept.pin), ("kept", None));
    let pin = one.containerd.hook_runs(ID).pop().and_then(|run| run.pin).expect("it is held");
    assert!(std::fs::exists(&pin).expect("it can be told"));
    one.containerd.expect_gated(ID, &DEVICE);

    first.finish();
    one.assert_empty();
    let released = one.containerd.releases(ID).pop().expect("the hook ran");
    assert_eq!((released.result.as_str(), released.pin), ("released", Some(pin)));
    // The second's pin had no record to be found by.
    devgate(&["gc"], "").success();
    let left = std::fs::read_dir("/sys/fs/bpf/devgate").expect("it is the test's own");
    assert_eq!(left.count(), 0);
}
