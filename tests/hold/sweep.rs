//! Pins whose cgroup is gone.

use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::Duration;

use devgate::hold::{Pins, Swept};

use super::common::bpf::Foreign;
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

/// Longer than any sweep takes.
const EVER: Duration = Duration::from_secs(3600);

fn ids(pins: &Pins) -> Vec<u64> {
    let mut ids = pins.ids().expect("the directory can be listed");
    ids.sort_unstable();
    ids
}

#[test]
fn dead_pins_are_removed_and_live_ones_stay() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let pins = pins(&bpffs);
    let (dead, live) = (held(&pins), held(&pins));
    let (dead_id, live_id) = (id(&dead), id(&live));
    assert!(!pins.remove_dead(dead_id).expect("the pin can be read"));
    remove(&pins, &dead);
    assert!(pins.is_dead(dead_id).expect("the pin can be read"));
    assert!(pins.remove_dead(dead_id).expect("the pin can be removed"));
    assert!(!pins.remove_dead(dead_id).expect("there is none"));
    assert!(!pins.remove_dead(live_id).expect("the pin can be read"));
    assert_eq!(ids(&pins), [live_id]);
    assert_eq!(live.attached().ids.len(), 2);
}

#[test]
fn a_short_sweep_ends_in_time() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let pins = pins(&bpffs);
    let cgroups: Vec<TestCgroup> = (0..8).map(|_| held(&pins)).collect();
    for cgroup in &cgroups {
        remove(&pins, cgroup);
    }
    let nothing = pins.sweep_some(Duration::ZERO, 0).expect("the pins can be swept");
    assert_eq!(nothing, Swept { seen: 0, removed: 0 });
    let all = pins.sweep_some(EVER, 0).expect("the pins can be swept");
    assert_eq!(all, Swept { seen: 8, removed: 8 });
}

/// Dead pins behind live ones are found by some seeds, and a sweep looks at a few pins only.
#[test]
fn short_sweeps_begin_elsewhere_each_time() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let pins = pins(&bpffs);
    let (cgroup, program) = (TestCgroup::new(), Foreign::allowing("many"));
    let link = program.link(cgroup.open().as_fd());
    for name in 1..=300 {
        bpffs.pin(&format!("devgate/{name}"), &link);
    }
    let at_once: Vec<usize> =
        (0..300).map(|seed| pins.sweep_some(EVER, seed).expect("it can be swept").seen).collect();
    assert!(at_once.iter().all(|seen| *seen == 8), "{at_once:?}");
    assert_eq!(ids(&pins).len(), 300, "none of them is dead");
    cgroup.remove().expect("a pin does not hold its cgroup");
    while !pins.is_dead(1).expect("the pin can be read") {
        sleep(Duration::from_millis(1));
    }
    let mut sweeps = 0;
    while !ids(&pins).is_empty() {
        let swept = pins.sweep_some(EVER, 7919 * sweeps).expect("it can be swept");
        assert_eq!(swept.seen, swept.removed);
        sweeps += 1;
        assert!(sweeps < 100, "{} are left", ids(&pins).len());
    }
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
    let swept = pins.sweep_some(EVER, 0).expect("the pins can be swept");
    assert_eq!(swept, Swept { seen: 1, removed: 0 });
    for name in ["by-hand", "17"] {
        let path = bpffs.path().join("devgate").join(name);
        std::fs::remove_file(path).expect("it is there still");
    }
}
