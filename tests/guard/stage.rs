//! A container with a record, as the hook left it, and a guard.

use std::fs;
use std::os::fd::AsFd;

use devgate::container::{ContainerId, RecordStore};
use devgate::device::Request;
use devgate::guard::{Done, Event, Found, Guard, Options, Settings};
use devgate::hold::{PINS, Pins};
use devgate::kernel::{ProgId, query};
use devgate::policy::Verdict;
use devgate::run_dir::RunDir;
use serde_json::json;

use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::opener::Opener;

/// The one device that the container may open besides the base devices.
pub const GRANTED: &str = "c 10:229 rw";
/// Devices and what becomes of an open.
pub const EXPECTED: [(&str, Verdict); 4] = [
    (GRANTED, Verdict::Allow),
    ("c 1:3 rw", Verdict::Allow),
    ("c 1:11 r", Verdict::Deny),
    ("b 7:0 rw", Verdict::Deny),
];

/// A container. Its process opens devices.
pub struct Container {
    pub opener: Opener,
    // Removed after the process.
    pub cgroup: TestCgroup,
    bundle: tempfile::TempDir,
    id: String,
}

impl Container {
    /// One that the hook has let in, with these options of the hook. `test` is a test that begins
    /// with `serve_if_child`.
    pub fn new(id: &str, test: &str, options: &[&str]) -> Container {
        Container::within(TestCgroup::new(), id, test, options)
    }

    pub fn within(cgroup: TestCgroup, id: &str, test: &str, options: &[&str]) -> Container {
        let container = Container::without_hook(cgroup, id, test);
        devgate(&[&["hook"], options].concat(), container.state()).success();
        container
    }

    pub fn without_hook(cgroup: TestCgroup, id: &str, test: &str) -> Container {
        let mut opener = Opener::within(&cgroup, test);
        for (request, _) in EXPECTED {
            opener.make_node(&parse(request));
        }
        // Only what root alone could have written is believed.
        let bundle = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let container = Container { opener, cgroup, bundle, id: id.to_owned() };
        container.write_config(json!({}));
        container
    }

    /// config.json, with hooks.
    pub fn write_config(&self, hooks: serde_json::Value) {
        let rules = json!([
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
        ]);
        let config = json!({"linux": {"resources": {"devices": rules}}, "hooks": hooks});
        fs::write(self.bundle.path().join("config.json"), config.to_string()).expect("a file");
    }

    pub fn bundle(&self) -> &std::path::Path {
        self.bundle.path()
    }

    fn state(&self) -> String {
        let pid = self.opener.pid();
        let state = json!({"id": self.id, "pid": pid, "bundle": self.bundle.path()});
        state.to_string()
    }

    pub fn id(&self) -> ContainerId {
        self.id.parse().expect("an id")
    }

    pub fn cgroup_id(&self) -> u64 {
        self.cgroup.open().id().expect("a cgroup has an id")
    }

    /// Every entry of the cgroup's list.
    pub fn entries(&self) -> Vec<ProgId> {
        query(self.cgroup.open().as_fd()).expect("it can be listed").ids
    }

    /// The policy's program is there twice, and no other: in the list, and by the link.
    #[track_caller]
    pub fn assert_held(&mut self) -> ProgId {
        let entries = self.entries();
        let [copy, link] = entries[..] else { panic!("not two entries: {entries:?}") };
        assert_eq!(copy, link);
        let pinned = pins().get(self.cgroup_id()).expect("the pin can be read");
        assert_eq!(pinned.expect("there is a link").program, link);
        self.assert_opens();
        link
    }

    /// The container's own opens are answered as its config says.
    #[track_caller]
    pub fn assert_opens(&mut self) {
        for (request, verdict) in EXPECTED {
            assert_eq!(self.opener.verdict(&parse(request)), verdict, "{request}");
        }
    }
}

pub fn parse(request: &str) -> Request {
    request.parse().expect("a request")
}

pub fn records() -> RecordStore {
    let run = RunDir::open().expect("/run/devgate can be used");
    RecordStore::records(&run).expect("records can be used")
}

pub fn pins() -> Pins {
    Pins::make(PINS.as_ref()).expect("the directory of pins can be used")
}

/// A guard that looks for no containers without a record, for this machine may have some.
pub fn guard() -> Guard {
    Guard::new(options(Found::None)).expect("a guard can run")
}

pub fn options(found: Found) -> Options {
    let parse = |_: &_| Ok(Settings::default());
    Options { found, settings: Settings::default(), parse, runtime_roots: Vec::new() }
}

/// One look, and what it found, which was mended.
#[track_caller]
pub fn found(guard: &mut Guard) -> Vec<String> {
    let events = guard.look().expect("the guard can look");
    let each = events.into_iter().flat_map(|event| {
        assert!(matches!(event.done, Done::Restored(_)), "{event:?}");
        event.found
    });
    each.collect()
}

/// One look that is told of once, and why it failed.
#[track_caller]
pub fn failed(guard: &mut Guard) -> String {
    let events = guard.look().expect("the guard can look");
    let [Event { done: Done::Failed(message), .. }] = &events[..] else { panic!("{events:?}") };
    message.clone()
}
