//! Records that are locked, damaged, newer, or whose container has ended.

use std::fs;
use std::os::fd::AsFd;

use devgate::guard::{Done, Event};
use devgate::kernel::detach;

use super::common::cgroup::TestCgroup;
use super::common::opener::serve_if_child;
use super::common::require;
use super::stage::{Container, failed, found, guard, records};

fn lose_copy(container: &Container) {
    let id = container.entries()[0];
    detach(container.cgroup.open().as_fd(), id).expect("the copy can be detached");
}

#[test]
fn a_container_that_is_being_changed_is_left_until_the_next_look() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "records::a_container_that_is_being_changed_is_left_until_the_next_look";
    let mut container = Container::new("c1", test, &["--hold", "require"]);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    let records = records();
    let locked = records.lock(&container.id()).expect("it can be locked");
    lose_copy(&container);
    for _ in 0..2 {
        assert!(guard.look().expect("it can look").is_empty());
        assert_eq!(container.entries().len(), 1);
    }
    drop(locked);
    assert_eq!(found(&mut guard).len(), 1);
    container.assert_held();
}

#[test]
fn a_record_that_cannot_be_used_is_told_once_and_changes_nothing() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "records::a_record_that_cannot_be_used_is_told_once_and_changes_nothing";
    let container = Container::new("c1", test, &["--hold", "require"]);
    let path = records().path(&container.id());
    let good = fs::read_to_string(&path).expect("it can be read");
    let newer = good.replacen("\"version\":1", "\"version\":2", 1);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    for (text, part) in [("{", "is damaged"), (newer.as_str(), "has version 2")] {
        fs::write(&path, text).expect("it can be written");
        let message = failed(&mut guard);
        assert!(message.contains(part), "{message}");
        lose_copy(&container);
        for _ in 0..2 {
            assert!(guard.look().expect("it can look").is_empty(), "{part}");
        }
        assert_eq!(container.entries().len(), 1, "{part}");
        fs::write(&path, &good).expect("it can be written");
        assert_eq!(found(&mut guard).len(), 1, "{part}");
        assert_eq!(container.entries().len(), 2, "{part}");
    }
}

#[test]
fn a_container_that_ended_is_forgotten() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "records::a_container_that_ended_is_forgotten";
    let container = Container::new("c1", test, &[]);
    let mut guard = guard();
    assert_eq!((found(&mut guard), guard.watched()), (vec![], 1));
    drop(container);
    assert!(guard.look().expect("it can look").is_empty());
    assert_eq!(guard.watched(), 0);
}

/// A restart has another cgroup, and the same id.
#[test]
fn a_container_that_starts_while_the_guard_runs_is_watched() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "records::a_container_that_starts_while_the_guard_runs_is_watched";
    let mut guard = guard();
    assert_eq!((found(&mut guard), guard.watched()), (vec![], 0));
    for _ in 0..2 {
        let mut container = Container::new("c1", test, &["--hold", "require"]);
        assert_eq!((found(&mut guard), guard.watched()), (vec![], 1));
        lose_copy(&container);
        assert_eq!(found(&mut guard).len(), 1);
        container.assert_held();
    }
}

/// The directory of records can be removed, and made again by the next hook.
#[test]
fn records_are_followed_when_their_directory_is_made_anew() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "records::records_are_followed_when_their_directory_is_made_anew";
    let mut guard = guard();
    let first = Container::new("c1", test, &[]);
    assert_eq!((found(&mut guard), guard.watched()), (vec![], 1));
    fs::remove_dir_all("/run/devgate/containers").expect("it can be removed");
    assert_eq!((found(&mut guard), guard.watched()), (vec![], 0));
    let second = Container::within(TestCgroup::new(), "c2", test, &[]);
    assert_eq!((found(&mut guard), guard.watched()), (vec![], 1));
    lose_copy(&second);
    assert_eq!(found(&mut guard).len(), 1);
    drop(first);
}

/// Their policies would take turns for ever.
#[test]
fn two_records_of_one_cgroup_are_told_and_neither_is_enforced() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "records::two_records_of_one_cgroup_are_told_and_neither_is_enforced";
    let mut container = Container::new("c1", test, &["--hold", "require"]);
    let mut guard = guard();
    assert_eq!(found(&mut guard), [""; 0]);
    let other = "c2".parse().expect("an id");
    let text = fs::read_to_string(records().path(&container.id())).expect("it can be read");
    let text = text.replace("\"c1\"", "\"c2\"");
    fs::write(records().path(&other), text).expect("it can be written");
    let told = |events: Vec<Event>| {
        let each = events.into_iter().map(|event| match event {
            Event { container: Some(id), done: Done::Failed(message), .. } => {
                format!("{id}: {message}")
            }
            event => panic!("{event:?}"),
        });
        each.collect::<Vec<_>>()
    };
    let expected = [("c1", "c2"), ("c2", "c1")].map(|(id, other)| {
        format!(
            "{id}: container {other} has a record of the same cgroup: neither policy is repaired \
             until one of the two records is removed"
        )
    });
    lose_copy(&container);
    assert_eq!(told(guard.look().expect("it can look")), expected);
    assert!(guard.look().expect("it can look").is_empty());
    assert_eq!(container.entries().len(), 1);
    // A new guard says so, too.
    assert_eq!(told(super::stage::guard().look().expect("it can look")), expected);
    records().remove(&other).expect("it can be removed");
    assert_eq!(found(&mut guard).len(), 1);
    container.assert_held();
}
