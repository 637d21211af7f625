//! What is counted.

use devgate::device::Access;
use devgate::observe::{Observed, Observer, Requests, Scope, Size, Task, WithEvents};

use crate::common::opener::{Opener, serve_if_child};
use crate::common::require;
use crate::{Scene, counts, request};

#[test]
fn each_request_is_counted_with_its_verdict_and_who_asked() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let scene = Scene::new(&["allow c *:* m", "allow c 1:3 rw", "allow c 1:5 r"]);
    let mut observer = scene.observer(Size::default());
    let test = "counts::each_request_is_counted_with_its_verdict_and_who_asked";
    let mut opener = Opener::within(&scene.container, test);
    let asked = [("c 1:3 rw", 3), ("c 1:5 r", 2), ("c 1:5 w", 4), ("c 10:229 rw", 5)];
    for (text, count) in asked {
        opener.make_node(&request(text));
        for _ in 0..count {
            let answer = opener.ask(&request(text));
            assert_eq!(
                answer == "ok",
                !["c 1:5 w", "c 10:229 rw"].contains(&text),
                "{text}: {answer}"
            );
        }
    }
    let rows = observer.observations().read().unwrap();
    // The nodes are made besides.
    let opens =
        |row: &&Observed| row.cgroup_id == scene.id() && row.request.access != Access::MKNOD;
    let own: Vec<_> = rows.iter().filter(opens).cloned().collect();
    let expected = [
        ("c 10:229 rw".to_owned(), true, 5),
        ("c 1:3 rw".to_owned(), false, 3),
        ("c 1:5 r".to_owned(), false, 2),
        ("c 1:5 w".to_owned(), true, 4),
    ];
    assert_eq!(counts(&own), expected);
    for row in &own {
        let by = row.last_by.as_ref().expect("this kernel tells who asked");
        assert_eq!(by.pid, opener.pid());
        assert!(!by.command.is_empty() && row.first <= row.last);
    }
    let mut events = Vec::new();
    observer.observations_mut().events(|event| {
        if event.request.access != Access::MKNOD {
            events.push(event.request.to_string());
        }
    });
    assert_eq!(events, ["c 1:3 rw", "c 1:5 r", "c 1:5 w", "c 10:229 rw"], "one for each new row");
    assert!(observer.observations().lost().unwrap().is_empty());
}

#[test]
fn an_observer_of_one_container_counts_that_and_what_is_below_it() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let scene = Scene::new(&["allow c 1:3 rw"]);
    let sibling = scene.top.child();
    let below = scene.container.child();
    let size = Size { per_container: 16, containers: 1 };
    let known = Scope::one(&scene.container.open()).unwrap();
    assert!(matches!(known, Scope::One { level: Some(_), .. }), "{known:?}");
    // As from a cgroup namespace, where the level is not seen.
    let unknown = Scope::One { cgroup: scene.id(), level: None };
    let mut observers: Vec<Observer> = [known, unknown]
        .map(|scope| {
            let task = Task { scope, requests: Requests::All, size, ..Task::default() };
            Observer::load(task).unwrap()
        })
        .into();
    for observer in &mut observers {
        observer.observe(scene.top.open()).unwrap();
    }
    let test = "counts::an_observer_of_one_container_counts_that_and_what_is_below_it";
    for cgroup in [&sibling, &below, &scene.container] {
        let mut opener = Opener::within(cgroup, test);
        opener.ask(&request("c 1:3 m"));
        opener.ask(&request("c 10:229 m"));
    }
    let (own, child) = (scene.id(), crate::id(&below));
    let mut expected = [own, own, child, child];
    expected.sort_unstable();
    for observer in &observers {
        let rows = observer.observations().read().unwrap();
        let mut cgroups: Vec<u64> = rows.iter().map(|row| row.cgroup_id).collect();
        cgroups.sort_unstable();
        assert_eq!(cgroups, expected);
    }
}

#[test]
fn one_of_denials_counts_these_and_makes_a_room_at_the_first_mknod() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let scene = Scene::new(&["allow c *:* m", "allow c 1:3 rw"]);
    let below = scene.container.child();
    let task = Task { events: WithEvents::Yes, ..Task::default() };
    let mut observer = Observer::load(task).unwrap();
    observer.observe(scene.top.open()).unwrap();
    let test = "counts::one_of_denials_counts_these_and_makes_a_room_at_the_first_mknod";
    let mut opener = Opener::within(&scene.container, test);
    opener.make_node(&request("c 1:3 rw"));
    let observations = observer.observations();
    assert_eq!(observations.rooms().unwrap(), [scene.id()]);
    assert!(observations.read().unwrap().is_empty());
    let mut opener = Opener::within(&below, test);
    for text in ["c 1:3 rw", "c 10:229 rw"] {
        opener.make_node(&request(text));
        for _ in 0..7 {
            opener.ask(&request(text));
        }
    }
    let rows = observations.read().unwrap();
    assert_eq!(counts(&rows), [("c 10:229 rw".to_owned(), true, 7)]);
    assert_eq!(
        observations.by_room().unwrap()[&scene.id()].rows,
        rows,
        "it is the container's room"
    );
    assert_eq!(rows[0].last_by.as_ref().map(|by| by.pid), Some(opener.pid()));
}

#[test]
fn an_observer_ends_with_its_owner() {
    if !require::bpf() {
        return;
    }
    let scene = Scene::new(&[]);
    let observer = scene.observer(Size::default());
    assert_eq!(scene.top.ids(), [observer.program_id()]);
    drop(observer);
    scene.assert_ends();
}

#[test]
fn the_root_cgroup_is_not_observed_and_no_request_counts_twice() {
    if !require::bpf() {
        return;
    }
    let scene = Scene::new(&[]);
    let mut observer = scene.observer(Size::default());
    let root = devgate::cgroup::Cgroup::top().unwrap();
    let error = observer.observe(root).unwrap_err().to_string();
    assert!(error.starts_with("refusing the root cgroup"), "{error}");
    let error = observer.observe(scene.container.open()).unwrap_err().to_string();
    assert!(error.contains("would be counted twice"), "{error}");
    assert!(!observer.observe(scene.top.open()).unwrap());
}
