//! Containers that started without the hook.

use std::fs::{self, File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use devgate::cgroup::Cgroup;
use devgate::guard::{Done, Event, Found, Guard, Options, Settings};
use devgate::hold::HoldMode;
use devgate::kernel::{Program, query};
use devgate::policy::DefaultDevices;
use devgate::run_dir::RunDir;
use serde_json::{Value, json};

use super::common::engine::runc::{Runc, Running, Runtime};
use super::common::engine::{DEVGATE, ready};
use super::stage::{options, pins, records};

const RULES: &str = r#"[
    {"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}
]"#;

/// A container of a runtime that runs without the hook, and its files.
pub struct Hookless<'r> {
    pub running: &'r Running<'r>,
    config: PathBuf,
    runtime_root: PathBuf,
}

impl<'r> Hookless<'r> {
    fn new(running: &'r Running<'r>) -> Hookless<'r> {
        let bundle = running.rootfs().parent().expect("it is in the bundle").to_owned();
        let place = bundle.parent().expect("it is in the place");
        Hookless { running, config: bundle.join("config.json"), runtime_root: place.join("state") }
    }

    /// Edits config.json, which the runtime has read.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let text = fs::read_to_string(&self.config).expect("it can be read");
        let mut config = serde_json::from_str(&text).expect("it is JSON");
        change(&mut config);
        fs::write(&self.config, config.to_string()).expect("it can be written");
    }

    /// Edits the runtime's state, and returns it as it was.
    pub fn edit_state(&self, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let path = self.state();
        let before = fs::read(&path).expect("it can be read");
        let mut state = serde_json::from_slice(&before).expect("it is JSON");
        change(&mut state);
        fs::write(&path, state.to_string()).expect("it can be written");
        before
    }

    /// The runtime's state of it.
    pub fn state(&self) -> PathBuf {
        let dir = self.runtime_root.join("container");
        ["state.json", "status"]
            .map(|name| dir.join(name))
            .into_iter()
            .find(|path| path.exists())
            .expect("the runtime made it")
    }

    pub fn cgroup_id(&self) -> u64 {
        Cgroup::open(&self.running.cgroup).and_then(|cgroup| cgroup.id()).expect("it has an id")
    }

    pub fn register(&self, args: &[&str]) {
        let args = [&["devgate", "hook"], args].concat();
        self.edit(|config| {
            config["hooks"] = json!({"createRuntime": [{"path": DEVGATE, "args": args}]});
        });
    }

    /// As if it had started so long ago.
    pub fn age(&self, seconds: u64) {
        let dir = File::open(self.runtime_root.join("container")).expect("the runtime made it");
        let then = SystemTime::now() - Duration::from_secs(seconds);
        dir.set_modified(then).expect("its time can be set");
    }

    pub fn guard(&self, found: Found) -> Guard {
        let parse = |registration: &devgate::install::Registration| {
            // What the command line makes of it is the command line's test.
            let none = registration.args.iter().any(|arg| arg == "none");
            let default_devices = if none { DefaultDevices::None } else { DefaultDevices::Base };
            Ok(Settings { default_devices, ..Settings::default() })
        };
        let runtime_roots = vec![self.runtime_root.clone()];
        Guard::new(Options { parse, runtime_roots, ..options(found) }).expect("it can run")
    }

    /// The events that are about this container.
    pub fn look(&self, guard: &mut Guard) -> Vec<Event> {
        let mut events = guard.look().expect("it can look");
        events
            .retain(|event| event.container.as_ref().is_some_and(|id| id.as_str() == "container"));
        events
    }

    /// The names of its cgroup's programs.
    pub fn programs(&self) -> Vec<String> {
        let cgroup = Cgroup::open(&self.running.cgroup).expect("it can be opened");
        let ids = query(cgroup.as_fd()).expect("they can be listed").ids;
        let name = |id| Program::by_id(id).expect("it is attached").name;
        ids.into_iter().map(name).collect()
    }

    fn opens(&self, device: &str) -> String {
        self.running.shell(&format!("mknod /dev/x {device}; : < /dev/x && echo opened; rm /dev/x"))
    }
}

pub fn with_hookless(runtime: Runtime, test: impl FnOnce(&Hookless<'_>)) {
    let mut runc = Runc::of(runtime, RULES);
    runc.change_config(|config| {
        for set in ["bounding", "effective", "permitted"] {
            let set = &mut config["process"]["capabilities"][set];
            if let Some(set) = set.as_array_mut() {
                set.push("CAP_MKNOD".into());
            }
        }
    });
    runc.with_running(|running| test(&Hookless::new(running)));
}

#[test]
fn it_gets_the_policy_of_its_bundle() {
    for runtime in [Runtime::Runc, Runtime::Crun] {
        let program = if runtime == Runtime::Runc { "runc" } else { "crun" };
        if !ready(program) {
            continue;
        }
        with_hookless(runtime, |container| {
            container.age(60);
            // What has not devgate's hook is not devgate's.
            assert!(container.look(&mut container.guard(Found::Hooked)).is_empty());
            container.register(&["--hold", "try"]);
            assert!(container.look(&mut container.guard(Found::None)).is_empty());
            assert_eq!(container.programs(), [""], "{program}");
            let mut guard = container.guard(Found::Hooked);
            let events = container.look(&mut guard);
            let [Event { found, done: Done::Adopted(_), .. }] = &events[..] else {
                panic!("{program}: {events:?}")
            };
            assert_eq!(found, &["the container has no record"]);
            assert_eq!(container.programs(), ["devgate", "devgate"]);
            assert_eq!(container.opens("c 10 229"), "opened");
            assert!(container.opens("c 1 11").ends_with("Operation not permitted"));
            assert!(container.look(&mut guard).is_empty());
            assert_eq!(guard.watched(), 1);
            assert!(container.look(&mut container.guard(Found::All)).is_empty());
            let id = "container".parse().expect("an id");
            assert!(records().remove(&id).expect("it can be removed"));
        });
    }
}

#[test]
fn all_get_it_if_the_guard_is_told_so() {
    if !ready("runc") {
        return;
    }
    with_hookless(Runtime::Runc, |container| {
        container.age(60);
        let mut options = options(Found::All);
        options.runtime_roots = vec![container.runtime_root.clone()];
        options.settings.hook.enforce.hold = HoldMode::No;
        let mut guard = Guard::new(options).expect("it can run");
        assert_eq!(container.look(&mut guard).len(), 1);
        assert_eq!(container.programs(), ["devgate"]);
    });
}

#[test]
fn the_hooks_own_options_and_the_annotations_count() {
    if !ready("runc") {
        return;
    }
    let policy = || {
        let id = "container".parse().expect("an id");
        let record = records().get(&id).expect("it can be read").expect("there is one");
        records().remove(&id).expect("it can be removed");
        // Where devgate's program is held, the record was lost.
        pins().release(record.cgroup.id).expect("the link can be taken off");
        record.default_devices
    };
    with_hookless(Runtime::Runc, |container| {
        container.age(60);
        container.register(&["--default-devices", "none"]);
        assert_eq!(container.look(&mut container.guard(Found::Hooked)).len(), 1);
        assert_eq!(policy(), DefaultDevices::None);
        container.register(&[]);
        // A record that is gone is found out by the guard that runs.
        let mut guard = container.guard(Found::Hooked);
        assert_eq!(container.look(&mut guard).len(), 1);
        assert_eq!(policy(), DefaultDevices::Base);
        container.edit(|config| {
            config["annotations"] = json!({"io.devgate.default-devices": "none"});
        });
        assert_eq!(container.look(&mut guard).len(), 1);
        assert_eq!(policy(), DefaultDevices::None);
    });
}

/// A systemd in a container moves itself to a cgroup below the container's.
#[test]
fn a_process_in_a_cgroup_below_is_in_the_containers() {
    for (runtime, program) in [(Runtime::Runc, "runc"), (Runtime::Crun, "crun")] {
        if !ready(program) {
            continue;
        }
        with_hookless(runtime, |container| {
            container.age(60);
            container.register(&[]);
            let below = container.running.cgroup.join("init.scope");
            fs::create_dir(&below).expect("a cgroup can be made");
            let pid = container.running.pid().to_string();
            fs::write(below.join("cgroup.procs"), &pid).expect("it can be moved");
            let events = container.look(&mut container.guard(Found::Hooked));
            let [Event { cgroup: Some(cgroup), done: Done::Adopted(_), .. }] = &events[..] else {
                panic!("{program}: {events:?}")
            };
            assert_eq!(cgroup.file_name(), container.running.cgroup.file_name(), "{program}");
            assert_eq!(container.programs(), ["devgate", "devgate"], "{program}");
            assert!(container.look(&mut container.guard(Found::Hooked)).is_empty());
            fs::write(container.running.cgroup.join("cgroup.procs"), pid).expect("back");
            fs::remove_dir(below).expect("it can be removed");
            let id = "container".parse().expect("an id");
            assert!(records().remove(&id).expect("it can be removed"));
        });
    }
}

/// The hook of a container that starts may come any moment.
#[test]
fn a_container_that_has_just_started_is_the_hooks() {
    if !ready("runc") {
        return;
    }
    with_hookless(Runtime::Runc, |container| {
        container.register(&[]);
        container.age(0);
        let mut guard = container.guard(Found::Hooked);
        assert!(container.look(&mut guard).is_empty());
        container.age(60);
        assert_eq!(container.look(&mut guard).len(), 1);
    });
}

#[test]
fn a_record_of_another_cgroup_does_not_count() {
    if !ready("runc") {
        return;
    }
    with_hookless(Runtime::Runc, |container| {
        container.age(60);
        container.register(&[]);
        assert_eq!(container.look(&mut container.guard(Found::Hooked)).len(), 1);
        let id = "container".parse().expect("an id");
        let other = u64::MAX >> 8;
        pins().release(container.cgroup_id()).expect("the link can be taken off");
        records()
            .edit::<_, devgate::container::StoreError>(&id, |record| {
                record.cgroup.id = other;
                Ok(())
            })
            .expect("it can be changed");
        let mut guard = container.guard(Found::Hooked);
        let events = container.look(&mut guard);
        let [Event { found, done: Done::Adopted(_), .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert!(found[0].starts_with("its record is of cgroup /"), "{found:?}");
    });
}

#[test]
fn a_bundle_that_others_could_write_is_told_once_and_not_used() {
    if !ready("runc") {
        return;
    }
    with_hookless(Runtime::Runc, |container| {
        container.age(60);
        container.register(&[]);
        let set_mode = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        };
        set_mode(&container.config, 0o666);
        let mut guard = container.guard(Found::Hooked);
        let events = container.look(&mut guard);
        let [Event { done: Done::Failed(message), .. }] = &events[..] else { panic!("{events:?}") };
        assert!(message.ends_with("config.json can be changed by others (mode 0666)"), "{message}");
        assert!(container.look(&mut guard).is_empty());
        assert_eq!(container.programs(), [""]);
        set_mode(&container.config, 0o644);
        assert_eq!(container.look(&mut container.guard(Found::Hooked)).len(), 1);
        assert!(RunDir::open().is_ok());
    });
}
