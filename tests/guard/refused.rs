//! Containers without a record that the guard leaves as they are, and says why once.

use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;

use devgate::cgroup::Cgroup;
use devgate::container::ContainerId;
use devgate::guard::{Done, Event, Found, Guard};
use devgate::kernel::query;
use serde_json::{Value, json};

use super::common::engine::ready;
use super::common::engine::runc::Runtime;
use super::found::{Hookless, with_hookless};
use super::stage::{pins, records};

const RUNTIMES: [(Runtime, &str); 2] = [(Runtime::Runc, "runc"), (Runtime::Crun, "crun")];

/// Containers of each runtime that have the hook in config.json and started without it.
fn with_each(test: impl Fn(&Hookless<'_>, &str)) {
    for (runtime, name) in RUNTIMES {
        if ready(name) {
            with_hookless(runtime, |container| {
                container.age(60);
                container.register(&[]);
                test(container, name);
            });
        }
    }
}

/// It is told once, and why; nothing is enforced.
#[track_caller]
fn refused(container: &Hookless<'_>) -> String {
    let mut guard = container.guard(Found::Hooked);
    let events = container.look(&mut guard);
    let [Event { done: Done::Failed(message), .. }] = &events[..] else { panic!("{events:?}") };
    assert!(container.look(&mut guard).is_empty(), "{message}: it is told once");
    message.clone()
}

#[track_caller]
fn adopted(container: &Hookless<'_>) -> Guard {
    let mut guard = container.guard(Found::Hooked);
    let events = container.look(&mut guard);
    assert!(matches!(&events[..], [Event { done: Done::Adopted(_), .. }]), "{events:?}");
    guard
}

fn id() -> ContainerId {
    "container".parse().expect("an id")
}

fn entries(cgroup: &std::path::Path) -> usize {
    let cgroup = Cgroup::open(cgroup).expect("it can be opened");
    query(cgroup.as_fd()).expect("they can be listed").ids.len()
}

/// A cgroup beside the container's that its process is moved to.
struct Elsewhere<'c> {
    container: &'c Hookless<'c>,
    cgroup: PathBuf,
}

impl<'c> Elsewhere<'c> {
    fn new(container: &'c Hookless<'c>) -> Elsewhere<'c> {
        let cgroup = container.running.cgroup.with_file_name("elsewhere");
        fs::create_dir(&cgroup).expect("a cgroup can be made");
        let elsewhere = Elsewhere { container, cgroup };
        elsewhere.move_to(&elsewhere.cgroup);
        elsewhere
    }

    fn move_to(&self, cgroup: &std::path::Path) {
        let pid = self.container.running.pid().to_string();
        fs::write(cgroup.join("cgroup.procs"), pid).expect("it can be moved");
    }
}

impl Drop for Elsewhere<'_> {
    fn drop(&mut self) {
        self.move_to(&self.container.running.cgroup);
        let _ = fs::remove_dir(&self.cgroup);
    }
}

/// Another container's policy, or anybody's, may be there.
#[test]
fn a_cgroup_that_the_state_does_not_name_is_left() {
    with_each(|container, name| {
        let elsewhere = Elsewhere::new(container);
        let message = refused(container);
        let part = "/elsewhere, and the container's cgroup is ";
        assert!(message.contains(part), "{name}: {message}");
        assert!(message.ends_with("/container by the runtime's state"), "{name}: {message}");
        assert_eq!(entries(&elsewhere.cgroup), 0, "{name}");
        assert_eq!(container.programs(), [""], "{name}");
        drop(elsewhere);
        drop(adopted(container));
        records().remove(&id()).expect("it can be removed");
    });
}

#[test]
fn a_state_without_a_cgroup_is_not_enough() {
    with_each(|container, name| {
        let before = container.edit_state(|state| {
            state["cgroup_paths"] = json!({});
            state["cgroup-path"] = json!("");
        });
        let message = refused(container);
        assert_eq!(message, "the runtime's state names no cgroup2 cgroup", "{name}");
        fs::write(container.state(), before).expect("it can be written");
        assert_eq!(container.programs(), [""], "{name}");
    });
}

/// The container is gone, and its process's id is used again.
#[test]
fn a_process_that_started_at_another_time_is_another_one() {
    with_each(|container, name| {
        let before = container.edit_state(|state| {
            let key = if name == "runc" { "init_process_start" } else { "process-start-time" };
            let start = state[key].as_u64().expect("the runtime writes it");
            state[key] = json!(start + 1);
        });
        assert!(container.look(&mut container.guard(Found::Hooked)).is_empty(), "{name}");
        fs::write(container.state(), before).expect("it can be written");
        assert_eq!(container.programs(), [""], "{name}");
    });
}

/// Even if the state says so: a moved process leaves the cgroup where its policy is.
#[test]
fn a_container_whose_recorded_cgroup_exists_is_not_adopted_elsewhere() {
    if !ready("runc") {
        return;
    }
    with_hookless(Runtime::Runc, |container| {
        container.age(60);
        container.register(&[]);
        drop(adopted(container));
        let elsewhere = Elsewhere::new(container);
        let before = container.edit_state(|state| {
            let path = &mut state["cgroup_paths"][""];
            let text = path.as_str().expect("runc writes it").to_owned();
            *path = Value::from(text.replace("/container", "/elsewhere"));
        });
        let message = refused(container);
        assert!(message.starts_with("its record is of cgroup /"), "{message}");
        assert!(message.contains("/container, which still exists: "), "{message}");
        assert_eq!(entries(&elsewhere.cgroup), 0);
        fs::write(container.state(), before).expect("it can be written");
        drop(elsewhere);
        records().remove(&id()).expect("it can be removed");
    });
}

#[test]
fn a_cgroup_of_another_containers_record_is_left() {
    if !ready("runc") {
        return;
    }
    with_hookless(Runtime::Runc, |container| {
        container.age(60);
        container.register(&[]);
        drop(adopted(container));
        let other: ContainerId = "other".parse().expect("an id");
        let text = fs::read_to_string(records().path(&id())).expect("it can be read");
        let text = text.replace("\"container\"", "\"other\"");
        fs::write(records().path(&other), text).expect("it can be written");
        records().remove(&id()).expect("it can be removed");
        pins().release(container.cgroup_id()).expect("the link can be taken off");
        let message = refused(container);
        assert!(
            message.starts_with("container other has a record of the same cgroup /"),
            "{message}"
        );
        assert_eq!(records().get(&id()).expect("it can be read"), None);
        records().remove(&other).expect("it can be removed");
    });
}

/// It may have been narrowed since it started.
#[test]
fn a_program_of_devgates_without_a_record_stays_in_force() {
    if !ready("runc") {
        return;
    }
    with_hookless(Runtime::Runc, |container| {
        container.age(60);
        container.register(&[]);
        drop(adopted(container));
        let held = || pins().get(container.cgroup_id()).expect("the pin can be read");
        let before = held().expect("there is a link").program;
        records().remove(&id()).expect("it can be removed");
        let message = refused(container);
        assert!(
            message.ends_with(
                "/container has devgate's program and no record: its record was lost; the program \
             stays in force"
            ),
            "{message}"
        );
        assert_eq!(held().map(|link| link.program), Some(before));
        assert_eq!(container.programs(), ["devgate", "devgate"]);
        assert_eq!(records().get(&id()).expect("it can be read"), None);
    });
}

/// podman 5.4 writes config.json anew when it updates a container.
#[test]
fn a_config_without_device_rules_is_not_a_policy() {
    if !ready("runc") {
        return;
    }
    with_hookless(Runtime::Runc, |container| {
        container.age(60);
        container.register(&[]);
        container.edit(|config| config["linux"]["resources"] = json!({}));
        let message = refused(container);
        assert!(message.ends_with(" has no linux.resources.devices"), "{message}");
        assert_eq!(container.programs(), [""]);
        // An empty list is one.
        container.edit(|config| config["linux"]["resources"] = json!({"devices": []}));
        drop(adopted(container));
        records().remove(&id()).expect("it can be removed");
    });
}
