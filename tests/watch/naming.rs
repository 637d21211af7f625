//! Which container a cgroup belongs to.

use std::fs;

use devgate::container::Naming;

use super::common::cgroup::TestCgroup;
use super::common::require;
use super::stage::Stage;

const ID: &str = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";
const OTHER: &str = "730b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";

fn id(cgroup: &TestCgroup) -> u64 {
    cgroup.open().id().unwrap()
}

fn below(cgroup: &TestCgroup, name: &str) -> TestCgroup {
    let path = cgroup.path().join(name);
    fs::create_dir(&path).unwrap();
    TestCgroup::at(path)
}

#[test]
fn a_container_with_a_record_is_known_by_its_cgroup() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    // What the container calls its own cgroups is of no account.
    let nested = below(&stage.cgroup, &format!("libpod-{OTHER}"));
    let mut naming = Naming::default();
    for cgroup in [&stage.cgroup, &nested] {
        let place = naming.place(id(cgroup)).unwrap();
        assert_eq!(place.cgroup, cgroup.path());
        let container = place.container.as_ref().unwrap();
        assert_eq!((container.id.as_str(), &container.name), ("container", &None));
        assert_eq!(container.cgroup, stage.cgroup.path());
        assert_eq!(container.cgroup_id, id(&stage.cgroup));
    }
}

#[test]
fn without_a_record_it_is_the_outermost_cgroup_with_an_id_in_its_name() {
    if !require::bpf() {
        return;
    }
    let outer = TestCgroup::new();
    let scope = below(&outer, &format!("libpod-{ID}.scope"));
    let leaf = below(&scope, "container");
    let nested = below(&leaf, &format!("docker-{OTHER}.scope"));
    let mut naming = Naming::default();
    for cgroup in [&scope, &leaf, &nested] {
        let place = naming.place(id(cgroup)).unwrap();
        let container = place.container.as_ref().unwrap();
        assert_eq!((container.id.as_str(), container.cgroup.as_path()), (ID, scope.path()));
    }
    assert_eq!(naming.place(id(&outer)).unwrap().container, None);
}

#[test]
fn a_cgroup_that_is_gone_keeps_its_name() {
    if !require::bpf() {
        return;
    }
    let (seen, unseen) = (TestCgroup::new(), TestCgroup::new());
    let (seen_id, unseen_id) = (id(&seen), id(&unseen));
    let mut naming = Naming::default();
    naming.place(seen_id).unwrap();
    seen.remove().unwrap();
    unseen.remove().unwrap();
    // A container that starts is looked up again.
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(naming.place(seen_id).unwrap().cgroup, seen.path());
    let error = naming.place(unseen_id).unwrap_err().to_string();
    assert_eq!(error, "the cgroup was removed before devgate could look at it");
}
