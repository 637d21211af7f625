//! Pins whose cgroup is gone.

use std::thread::sleep;
use std::time::Duration;

use devgate::hold::Pins;

use super::common::bpffs::BpfFs;
use super::common::cgroup::TestCgroup;
use super::common::require;
use super::{attach, id, loaded, pins};

const RULES: &[&str] = &["allow c 1:3 rw"];

fn held(pins: &Pins) -> TestCgroup {
    let cgroup = TestCgroup::new();
    let program = loaded(RULES);
    attach(&cgroup, &program);
    pins.hold(&cgroup.open(), &program).expect("the policy can be held");
    cgroup
}

/// Removes the cgroup; the kernel ends its links a moment later.
fn remove(pins: &Pins, cgroup: &TestCgroup) {
    let id = id(cgroup);
    cgroup.remove().expect("a pin does not hold its cgroup");
    while pins.get(id).expect("the pin can be read").is_some() {
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn dead_pins_are_removed_and_live_ones_stay() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let pins = pins(&bpffs);
    let (dead, live) = (held(&pins), held(&pins));
    remove(&pins, &dead);
    let swept = pins.sweep(None, 0).expect("the pins can be swept");
    assert_eq!((swept.seen, swept.removed), (2, 1));
    assert_eq!(pins.ids().expect("the directory can be listed"), [id(&live)]);
    assert_eq!(live.attached().ids.len(), 2);
}

#[test]
fn a_limited_sweep_begins_elsewhere_each_time() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let pins = pins(&bpffs);
    let cgroups: Vec<TestCgroup> = (0..8).map(|_| held(&pins)).collect();
    for cgroup in &cgroups {
        remove(&pins, cgroup);
    }
    let nothing = pins.sweep(Some(Duration::ZERO), 0).expect("the pins can be swept");
    assert_eq!((nothing.seen, nothing.removed), (0, 0));
    let all = pins.sweep(None, u64::MAX).expect("the pins can be swept");
    assert_eq!((all.seen, all.removed), (8, 8));
}

#[test]
fn other_files_stay() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let pins = pins(&bpffs);
    let foreign = super::common::bpf::map();
    bpffs.pin("devgate/by-hand", &foreign);
    bpffs.pin("devgate/17", &foreign);
    let swept = pins.sweep(None, 0).expect("the pins can be swept");
    assert_eq!((swept.seen, swept.removed), (1, 0));
    for name in ["by-hand", "17"] {
        let path = bpffs.path().join("devgate").join(name);
        std::fs::remove_file(path).expect("it is there still");
    }
}
