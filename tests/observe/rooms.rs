//! A container's room is its own.

use std::collections::BTreeSet;

use devgate::observe::{Lost, Size};

use crate::common::opener::{Opener, serve_if_child};
use crate::common::require;
use crate::{Scene, id, request};

#[test]
fn a_container_takes_no_room_of_others_by_making_cgroups() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "rooms::a_container_takes_no_room_of_others_by_making_cgroups";
    let scene = Scene::new(&[]);
    let other = scene.top.child();
    let observer = scene.observer(Size { per_container: 4, containers: 2 });
    let below = [scene.container.child(), scene.container.child(), scene.container.child()];
    // As its runtime does.
    let mut opener = Opener::within(&scene.container, test);
    opener.ask(&request("c 1:3 m"));
    for cgroup in &below {
        let mut opener = Opener::within(cgroup, test);
        for minor in 200..210 {
            opener.ask(&request(&format!("c 10:{minor} m")));
        }
    }
    let mut opener = Opener::within(&other, test);
    for minor in 1..=3 {
        opener.ask(&request(&format!("c 10:{minor} m")));
        opener.ask(&request(&format!("c 10:{minor} m")));
    }
    let observations = observer.observations();
    let rows = observations.read().unwrap();
    let of = |wanted: u64| rows.iter().filter(move |row| row.cgroup_id == wanted);
    let nested: usize = below.iter().map(|cgroup| of(id(cgroup)).count()).sum();
    assert_eq!((of(scene.id()).count(), nested), (1, 3), "four rows, all of its room");
    assert_eq!(of(id(&other)).map(|row| row.count).collect::<Vec<_>>(), [2, 2, 2]);
    let lost = observations.lost().unwrap();
    assert_eq!(lost, [Lost { cgroup_id: Some(scene.id()), requests: 27 }]);
    let fill = observations.fill().unwrap();
    assert_eq!((fill.rows, fill.most_rows, fill.rooms, fill.most_rooms), (7, 8, 2, 2));
    drop(opener);

    // A row tells whose room it takes, also when its cgroup is gone.
    let rooms = observations.by_room().unwrap();
    assert_eq!(rooms.keys().copied().collect::<BTreeSet<_>>(), [0, scene.id(), id(&other)].into());
    let room = &rooms[&scene.id()];
    assert_eq!((room.rows.len(), room.lost), (4, 27));
    assert_eq!((rooms[&id(&other)].rows.len(), rooms[&0].lost), (3, 0));

    // A third has no room.
    let third = scene.top.child();
    Opener::within(&third, test).ask(&request("c 10:1 m"));
    let lost = observations.lost().unwrap();
    assert!(lost.contains(&Lost { cgroup_id: None, requests: 1 }), "{lost:?}");

    // Until one is forgotten, with what is below it.
    observations.forget(&[scene.id()]).unwrap();
    Opener::within(&third, test).ask(&request("c 10:1 m"));
    let rows = observations.read().unwrap();
    let mut ids: Vec<u64> = rows.iter().map(|row| row.cgroup_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut expected = [id(&other), id(&third)];
    expected.sort_unstable();
    assert_eq!(ids, expected);
}
