//! Observers that stay without a process.

use std::fs;

use devgate::observe::{Method, Observer, Size, Task};

use crate::common::bpffs::BpfFs;
use crate::common::engine::eventually;
use crate::common::opener::{Opener, serve_if_child};
use crate::common::require;
use crate::{Scene, request};

const SMALL: Size = Size { per_container: 8, containers: 8 };

#[test]
fn a_pinned_observer_goes_on_and_is_found_again() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let dir = bpffs.path().join("devgate/observe");
    assert!(Observer::pinned(&dir).unwrap().is_none());
    let scene = Scene::new(&[]);
    let mut observer = scene.observer(SMALL);
    observer.pin(&dir).unwrap();
    let program = observer.program_id();
    drop(observer);
    let test = "pins::a_pinned_observer_goes_on_and_is_found_again";
    Opener::within(&scene.container, test).ask(&request("c 10:229 m"));

    let mut again = Observer::pinned(&dir).unwrap().expect("it is there");
    assert_eq!((again.program_id(), again.method()), (program, Method::Told));
    assert_eq!(again.cgroups(), [scene.top.path()]);
    let rows = again.observations().read().unwrap();
    assert!(rows.iter().any(|row| row.cgroup_id == scene.id() && row.count == 1), "{rows:?}");

    // A room that is made again keeps what it counts.
    let rows = again.observations().fill().unwrap().rows;
    for _ in 0..2 {
        Observer::make_room(&dir, scene.id()).unwrap();
        Observer::make_room(&dir, 1).unwrap();
    }
    assert_eq!(again.observations().rooms().unwrap().len(), 2);
    assert_eq!(again.observations().fill().unwrap().rows, rows);
    let room = &again.observations().by_room().unwrap()[&scene.id()];
    assert_eq!(room.rows.len(), 1);

    // Another cgroup is observed by the same, and its pin goes when it is removed.
    let other = crate::TestCgroup::new();
    assert!(again.observe(other.open()).unwrap());
    drop(again);
    assert_eq!(other.ids(), [program]);
    let id = crate::id(&other);
    let pin = dir.join(format!("link-{id}"));
    assert!(pin.exists());
    drop(other);
    // The link ends a moment after its cgroup.
    eventually("the dead pin is removed", || {
        Observer::pinned(&dir).unwrap().expect("it is there").drop_removed().unwrap();
        !pin.exists()
    });
    let again = Observer::pinned(&dir).unwrap().expect("it is there");
    assert_eq!(again.cgroups(), [scene.top.path()]);
    drop(again);

    assert!(Observer::unpin(&dir).unwrap());
    assert!(!Observer::unpin(&dir).unwrap());
    assert_eq!(fs::read_dir(bpffs.path().join("devgate")).unwrap().count(), 0);
    scene.assert_ends();
}

#[test]
fn what_is_not_whole_is_told_and_removed() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let dir = bpffs.path().join("devgate/observe");
    let load = || Observer::load(Task { size: SMALL, ..Task::default() }).unwrap();
    let mut first = load();
    first.pin(&dir).unwrap();
    let error = load().pin(&dir).unwrap_err().to_string();
    assert_eq!(error, format!("nothing can be pinned at {}", dir.display()));
    assert_eq!(
        fs::read_dir(bpffs.path().join("devgate")).unwrap().count(),
        1,
        "nothing is left of the second"
    );

    fs::remove_file(dir.join("rooms")).unwrap();
    let error = Observer::pinned(&dir).unwrap_err().to_string();
    assert_eq!(error, format!("what is pinned in {} is not a whole observer", dir.display()));
    // As if a process that is gone had ended in between.
    fs::rename(&dir, bpffs.path().join("devgate/old-4194305-observe")).unwrap();
    assert!(Observer::pinned(&dir).unwrap().is_none());
    assert!(Observer::sweep(&dir).unwrap());
    assert_eq!(fs::read_dir(bpffs.path().join("devgate")).unwrap().count(), 0);
}
