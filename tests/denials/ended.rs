//! Containers that ended.

use std::fs;

use devgate::cgroup::Cgroup;
use devgate::denials::{Certainty, Denied, Tidier, Wanted, report, start, status, stop, tidy};
use devgate::observe::{OBSERVE, Observer};

use crate::common::cgroup::TestCgroup;
use crate::common::engine::eventually;
use crate::common::opener::{Opener, serve_if_child};
use crate::common::own::isolate;
use crate::common::require;
use crate::world::{DENIED, World, is_ready};

const ID: &str = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";

fn named(top: &TestCgroup, name: &str) -> TestCgroup {
    let path = top.path().join(name);
    fs::create_dir(&path).expect("a cgroup can be made");
    TestCgroup::at(path)
}

/// Denies everything there, without a hook.
fn deny(cgroup: &TestCgroup) {
    use crate::common::bpf::Foreign;
    use std::os::fd::AsFd;
    let program = Foreign::denying("deny");
    program.attach(Cgroup::open(cgroup.path()).unwrap().as_fd(), 2);
}

fn only() -> Denied {
    let mut report = report().unwrap().expect("it is observed");
    assert!(report.unreadable.is_empty());
    assert_eq!(report.containers.len(), 1, "{report:?}");
    report.containers.remove(0)
}

fn observe(top: &TestCgroup) {
    let cgroups = vec![top.path().to_owned()];
    start(&Wanted { cgroups, rows: Some(16), containers: Some(4) }).expect("it can be observed");
}

/// Without the hook; a guard looked while it lived.
#[test]
fn a_container_without_the_hook_is_kept_by_its_id_if_that_was_learnt() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    isolate();
    let test = "ended::a_container_without_the_hook_is_kept_by_its_id_if_that_was_learnt";
    let top = TestCgroup::new();
    observe(&top);
    for is_learnt in [true, false] {
        let container = named(&top, &format!("libpod-{ID}"));
        deny(&container);
        let inner = container.child();
        let fuse = "c 10:229 m".parse().unwrap();
        let mut opener = Opener::within(&container, test);
        opener.ask(&fuse);
        drop(opener);
        let mut opener = Opener::within(&inner, test);
        opener.ask(&fuse);
        opener.ask(&fuse);
        drop(opener);
        // A cgroup that the container made, and removed: its rows are the container's still.
        inner.remove().expect("it is empty");
        let live = only();
        assert_eq!((live.count(), live.ended), (3, None));
        assert_eq!(live.identity.container.as_deref(), Some(ID));
        assert!(live.denials.iter().all(|denial| denial.certainty == Certainty::Told));

        let observer = Observer::pinned(OBSERVE.as_ref()).unwrap().expect("it is pinned");
        let observations = observer.observations();
        let mut tidier = Tidier::default();
        if is_learnt {
            tidier.learn(observations).unwrap();
        }
        assert_eq!(tidier.tidy(observations).unwrap().kept, 0, "it lives");
        if !is_learnt {
            tidier = Tidier::default();
        }
        container.remove().expect("it is empty");
        // Before it is tidied it is told as well.
        assert_eq!(only().count(), 3);
        assert_eq!(tidier.tidy(observations).unwrap().kept, 1);
        let ended = only();
        assert_eq!((ended.count(), ended.denials.len()), (3, 2));
        assert_eq!(ended.identity.container.as_deref(), is_learnt.then_some(ID));
        assert!(ended.ended.is_some());
        let fill = status().unwrap().expect("it is observed").fill;
        assert_eq!((fill.rows, fill.rooms), (0, 0));
        assert_eq!(tidy().unwrap().expect("it is observed").kept, 0);
        drop(observer);
        assert!(stop().unwrap());
        observe(&top);
    }
    assert!(stop().unwrap());
}

/// The runtime was killed, so poststop is not called. `gc` names the container by its record.
#[test]
fn gc_keeps_what_a_container_was_denied_before_it_removes_its_record() {
    if !is_ready() {
        return;
    }
    let world = World::new();
    world.sh(&format!(
        "devgate observe start
         bundle c1 /machine/c1 '{DENIED}'
         jq 'del(.hooks.poststop)' $DIR/c1/config.json > $DIR/new; mv $DIR/new $DIR/c1/config.json
         run c1"
    ));
    let before = world.counts();
    assert_eq!(before.len(), 2);
    let dry = world.sh("devgate gc --dry-run");
    assert!(dry.contains("would free the rows of 1 container that ended; 1 had denials"), "{dry}");
    let gc = world.sh("devgate gc");
    assert!(gc.contains("freed the rows of 1 container that ended; 1 had denials"), "{gc}");
    assert!(gc.contains("1 record of containers that ended"), "{gc}");
    assert_eq!(world.counts(), before);
    assert_eq!(before[0].0, "c1");
    world.sh("devgate observe stop");
    // The kernel ends a link a moment after its cgroup is removed.
    eventually("gc removes the pin", || {
        world.sh("devgate gc > /dev/null; ls /sys/fs/bpf/devgate | grep -c '^[0-9]' || true")
            == "0\n"
    });
    world.assert_nothing_left();
}

/// `guard --once` does it too, and covers what is new.
#[test]
fn the_guard_covers_cgroups_that_are_new_and_keeps_what_ended() {
    if !is_ready() {
        return;
    }
    let world = World::new();
    world.sh("devgate observe start; mkdir /sys/fs/cgroup/later; devgate guard --once");
    let status = world.status();
    assert_eq!(status["cgroups"].as_array().map(Vec::len), Some(2), "{status}");
    world.sh(&format!(
        "bundle c1 /later/c1 '{DENIED}'
         jq 'del(.hooks)' $DIR/c1/config.json > $DIR/new; mv $DIR/new $DIR/c1/config.json
         run c1
         devgate guard --once"
    ));
    assert_eq!(world.status()["ended_containers"], 1);
    world.sh("devgate observe stop");
    world.assert_nothing_left();
}
