//! Nodes that are made, used and removed.

use devgate::container::{Made, NodeSpec, Removed};
use devgate::device::DeviceType;

use crate::common::engine::ready;
use crate::gated::{Hosted, Kind, fuse, kmsg, mount, runc};

/// Opens for reading and writing. By itself that would make a file where there is none.
const OPEN_FUSE: &str =
    "[ -c /dev/fuse ] || echo missing; [ -c /dev/fuse ] && : <> /dev/fuse && echo opened";

#[test]
fn a_node_is_made_opened_and_removed() {
    if !ready("runc") {
        return;
    }
    for kind in Kind::ALL {
        runc(kind).with_running(|container| {
            let before = container.files();
            assert_eq!(container.shell(OPEN_FUSE), "missing", "{kind:?}");
            let node = container.make(&fuse(), "/dev/fuse");
            assert_eq!(container.shell(OPEN_FUSE), "opened", "{kind:?}");
            let stat = container.shell("busybox stat -c '%F %t:%T %a %u:%g' /dev/fuse");
            assert_eq!(stat, "character special file a:e5 666 0:0", "{kind:?}");
            assert_eq!(container.try_make(&fuse(), "/dev/fuse").unwrap(), Made::AlreadyThere);
            assert_eq!(container.remove(&node), Removed::Removed);
            assert_eq!(container.files(), before, "{kind:?}");
            assert_eq!(container.remove(&node), Removed::Missing);
        });
    }
}

#[test]
fn a_node_is_read_and_the_program_decides() {
    if !ready("runc") {
        return;
    }
    let zero = NodeSpec::new(DeviceType::Char, 1, 5).expect("a device of Linux");
    for kind in Kind::ALL {
        runc(kind).with_running(|container| {
            container.make(&zero, "/dev/more/zero");
            let read = container.shell("busybox head -c 3 /dev/more/zero | busybox od -An -tx1");
            assert_eq!(read, "00 00 00", "{kind:?}");
            // Reading is what the rules allow; the kernel may want more.
            container.make(&kmsg(), "/dev/kmsg");
            let written = container.shell("(: > /dev/kmsg) 2>&1");
            assert!(written.contains("Operation not permitted"), "{kind:?}: {written}");
            // What no rule names.
            let loops = NodeSpec::new(DeviceType::Char, 10, 237).expect("a device of Linux");
            container.make(&loops, "/dev/loop-control");
            let opened = container.shell("(: < /dev/loop-control) 2>&1");
            assert!(opened.contains("Operation not permitted"), "{kind:?}: {opened}");
        });
    }
}

#[test]
fn a_node_has_the_permissions_that_were_asked_for() {
    if !ready("runc") {
        return;
    }
    runc(Kind::UserNamespace).with_running(|container| {
        container.make(&fuse().with_mode(0o640), "/dev/fuse");
        assert_eq!(container.shell("busybox stat -c '%a' /dev/fuse"), "640");
        assert_eq!(container.shell(OPEN_FUSE), "opened");
    });
}

#[test]
fn directories_are_made_and_removed_with_the_last_node() {
    if !ready("runc") {
        return;
    }
    for kind in Kind::ALL {
        runc(kind).with_running(|container| {
            let before = container.files();
            let first = container.make(&fuse(), "/dev/bus/usb/001/004");
            let second = container.make(&fuse(), "/dev/bus/usb/002/001");
            assert_eq!((first.directories, second.directories), (3, 1));
            let stat = container.shell("busybox stat -c '%a %u:%g' /dev/bus/usb/002");
            assert_eq!(stat, "755 0:0");
            assert_eq!(container.remove(&second), Removed::Removed);
            assert_eq!(container.shell("echo /dev/bus/usb/*"), "/dev/bus/usb/001");
            assert_eq!(container.remove(&first), Removed::Removed);
            assert_eq!(container.files(), before, "{kind:?}");
        });
    }
}

#[test]
fn a_directory_with_files_of_the_containers_own_stays() {
    if !ready("runc") {
        return;
    }
    runc(Kind::Plain).with_running(|container| {
        let node = container.make(&fuse(), "/dev/a/b/fuse");
        container.shell("echo mine > /dev/a/own");
        assert_eq!(container.remove(&node), Removed::Removed);
        assert_eq!(container.shell("echo /dev/a/*; busybox cat /dev/a/own"), "/dev/a/own\nmine");
    });
}

#[test]
fn a_read_only_dev_gets_the_node_and_stays_read_only() {
    if !ready("runc") {
        return;
    }
    for kind in Kind::ALL {
        let mut runc = runc(kind);
        runc.change_config(|config| {
            let options = mount(config, "/dev")["options"].as_array_mut().expect("an array");
            options.push("ro".into());
        });
        runc.with_running(|container| {
            let before = container.files();
            let read_only = || container.shell("(: > /dev/x) 2>&1");
            assert!(read_only().contains("Read-only file system"), "{kind:?}: {}", read_only());
            let node = container.make(&fuse(), "/dev/new/fuse");
            assert_eq!(container.shell(": <> /dev/new/fuse && echo opened"), "opened", "{kind:?}");
            assert!(read_only().contains("Read-only file system"));
            assert_eq!(container.remove(&node), Removed::Removed);
            assert_eq!(container.files(), before);
        });
    }
}

#[test]
fn a_paused_container_gets_a_node() {
    if !ready("runc") {
        return;
    }
    runc(Kind::Plain).with_running(|container| {
        let init = container.init();
        let freeze = container.cgroup.join("cgroup.freeze");
        std::fs::write(&freeze, "1").expect("the cgroup can be frozen");
        let made = devgate::container::make(&init, &fuse(), &crate::gated::path("/dev/fuse"));
        std::fs::write(&freeze, "0").expect("the cgroup can be thawed");
        assert!(matches!(made, Ok(Made::New(_))), "{made:?}");
        assert_eq!(container.shell(OPEN_FUSE), "opened");
    });
}

/// A daemon makes and removes nodes for as long as it runs: nothing piles up, and its own root and
/// working directory stay.
#[test]
fn many_nodes_leave_nothing_behind() {
    if !ready("runc") {
        return;
    }
    runc(Kind::UserNamespace).with_running(|container| {
        let before = container.files();
        let init = container.init();
        let own = || {
            let mounts = std::fs::read("/proc/self/mountinfo").expect("mounts");
            let directory = std::env::current_dir().expect("a directory");
            (mounts, directory, std::fs::read_link("/proc/self/root").expect("a root"))
        };
        let own_before = own();
        for _ in 0..100 {
            let path = crate::gated::path("/dev/d/fuse");
            let Ok(Made::New(node)) = devgate::container::make(&init, &fuse(), &path) else {
                panic!("it can be made again");
            };
            assert_eq!(devgate::container::remove(&init, &node).unwrap(), Removed::Removed);
        }
        assert_eq!(container.files(), before);
        assert_eq!(own(), own_before);
    });
}
