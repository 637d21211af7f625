//! A container that changes its /dev all the time.

use std::fs::{self, Permissions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::SystemTime;

use devgate::container::{Init, Made, NodeError, make, remove};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};

use crate::common::engine::ready;
use crate::gated::{Hosted, Kind, fuse, path, runc};

/// So often at least, and until each of the two outcomes was there so often.
const ROUNDS: usize = 40;
const EACH: usize = 3;
const MOST_ROUNDS: usize = 5_000;

/// The container's /dev, reached from the host as its own processes would reach it.
fn dev(init: &Init) -> OwnedFd {
    let path = format!("/proc/{}/root/dev", init.pid());
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    openat(CWD, path, flags, Mode::empty()).expect("the container has a /dev")
}

/// Exchanges two names for as long as it is not told to stop.
fn exchange(dev: impl AsFd, names: [&str; 2], stop: &AtomicBool) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        renameat_with(&dev, names[0], &dev, names[1], RenameFlags::EXCHANGE).expect("both exist");
        count += 1;
    }
    count
}

/// A directory and a link away from /dev exchange their names while nodes are made in it. A node is
/// made in that directory or not at all, and nothing ever appears where the link leads.
#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    if !ready("runc") {
        return;
    }
    for kind in Kind::ALL {
        runc(kind).with_running(|container| {
            container.shell(
                "busybox mkdir -p /dev/way /dev/way/deep /dev/other /dev/other/deep
                 busybox ln -s ../tmp /dev/link",
            );
            let outside = container.rootfs().join("tmp");
            for dir in [&outside, &outside.join("deep")] {
                fs::create_dir_all(dir).expect("a folder can be made");
                fs::set_permissions(dir, Permissions::from_mode(0o777)).expect("it is ours");
            }
            let init = container.init();
            // Whatever is made or removed in a directory changes its time, however briefly it is there.
            let times = || [&outside, &outside.join("deep")].map(|dir| modified(dir));
            let before = times();
            for other in ["link", "other"] {
                let outcomes = race(&init, ["way", other]);
                println!("{kind:?} {other}: {outcomes:?}");
                assert!(
                    outcomes.made >= EACH && outcomes.refused >= EACH,
                    "{kind:?} {other}: {outcomes:?}"
                );
                assert_eq!(times(), before, "{kind:?} {other}");
            }
            // What a round left behind is in /dev: nothing.
            let left = container.shell("busybox find /dev -name 'node*'");
            assert_eq!(left, "", "{kind:?}");
            let mounts = container.shell("busybox grep -c '/node ' /proc/self/mounts");
            assert_eq!(mounts, "0", "{kind:?}");
        });
    }
}

struct StopAtEnd<'s>(&'s AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Outcomes {
    made: usize,
    refused: usize,
    exchanges: usize,
}

fn race(init: &Init, names: [&str; 2]) -> Outcomes {
    let dev = dev(init);
    let stop = AtomicBool::new(false);
    let mut outcomes = Outcomes::default();
    thread::scope(|scope| {
        let racer = scope.spawn(|| exchange(&dev, names, &stop));
        // A test that fails must not wait for the racer for ever.
        let _stopped = StopAtEnd(&stop);
        for round in 0..MOST_ROUNDS {
            if round >= ROUNDS && outcomes.made >= EACH && outcomes.refused >= EACH {
                break;
            }
            let at = path(["/dev/way/node", "/dev/way/deep/node"][round % 2]);
            match make(init, &fuse(), &at) {
                Ok(Made::New(node)) => {
                    outcomes.made += 1;
                    remove_for_good(init, &node);
                }
                Ok(Made::AlreadyThere) => panic!("it was removed"),
                Err(
                    NodeError::Link { .. } | NodeError::Changed { .. } | NodeError::Mount { .. },
                ) => outcomes.refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
        outcomes.exchanges = racer.join().expect("both names exist");
    });
    outcomes
}

/// While the names are exchanged, the node is at its path half of the time.
fn remove_for_good(init: &Init, node: &devgate::container::MadeNode) {
    use devgate::container::Removed;
    for _ in 0..10_000 {
        if let Ok(Removed::Removed) = remove(init, node) {
            return;
        }
    }
    panic!("it is still there: {node:?}");
}

fn modified(dir: &Path) -> SystemTime {
    let metadata = fs::metadata(dir).expect("the folder is there");
    metadata.modified().expect("folders have times")
}
