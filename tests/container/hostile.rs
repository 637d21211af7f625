//! What a container may have in the way, made by its own root.

use std::fs;

use devgate::container::{NodeError, Removed};

use crate::common::engine::ready;
use crate::gated::{Hosted, Kind, fuse, mount, runc};

#[test]
fn nothing_is_overwritten_and_no_link_is_followed() {
    if !ready("runc") {
        return;
    }
    for kind in Kind::ALL {
        runc(kind).with_running(|container| {
            container.shell(
                "echo untouched > /dev/file
                 busybox mkdir /dev/directory
                 busybox mkfifo /dev/fifo
                 busybox ln -s /etc/passwd /dev/absolute
                 busybox ln -s ../../etc/passwd /dev/relative
                 busybox ln -s nothing /dev/dangling
                 busybox ln -s /proc/1/root /dev/magic
                 busybox ln -s / /dev/root
                 busybox ln -s directory /dev/inside",
            );
            for (at, why) in [
                ("/dev/file", "/dev/file is there already: a file"),
                ("/dev/directory", "/dev/directory is there already: a directory"),
                ("/dev/fifo", "/dev/fifo is there already: a FIFO"),
                ("/dev/null", "/dev/null is there already: device c 1:3"),
                ("/dev/absolute", "/dev/absolute is there already: a symbolic link"),
                ("/dev/relative", "/dev/relative is there already: a symbolic link"),
                ("/dev/dangling", "/dev/dangling is there already: a symbolic link"),
                (
                    "/dev/root/tmp/x",
                    "a symbolic link is on the way to the container's /dev/root/tmp/x",
                ),
                ("/dev/magic/tmp/x", "a symbolic link is on the way"),
                ("/dev/inside/x", "a symbolic link is on the way"),
                ("/dev/dangling/x", "a symbolic link is on the way"),
                ("/dev/fd/x", "a symbolic link is on the way"),
                ("/dev/file/x", "Not a directory"),
                ("/dev/pts/x", "another mount is on the way to the container's /dev/pts/x"),
            ] {
                container.cant_make(&fuse(), at, why);
            }
            assert_eq!(container.shell("busybox cat /dev/file"), "untouched");
            assert!(fs::read_dir(container.rootfs().join("tmp")).unwrap().next().is_none());
        });
    }
}

#[test]
fn a_full_dev_is_an_error_and_nothing_is_left() {
    if !ready("runc") {
        return;
    }
    for left in 0..3 {
        let mut runc = runc(Kind::Plain);
        runc.change_config(|config| {
            let options = mount(config, "/dev")["options"].as_array_mut().expect("an array");
            options.push("nr_inodes=40".into());
        });
        runc.with_running(|container| {
            container.shell("i=0; while (: > /dev/own$i) 2>&-; do i=$((i+1)); done");
            for number in 0..left {
                container.shell(&format!("busybox rm /dev/own{number}"));
            }
            // Two directories and a file.
            container.cant_make(&fuse(), "/dev/new/deep/fuse", "No space left on device");
        });
    }
}

#[test]
fn what_the_container_did_to_our_node_is_seen_when_it_is_removed() {
    if !ready("runc") {
        return;
    }
    let mut runc = runc(Kind::Plain);
    let capabilities = ["CAP_MKNOD", "CAP_SYS_ADMIN"];
    runc.change_config(|config| {
        for set in ["bounding", "effective", "permitted"] {
            config["process"]["capabilities"][set] = capabilities[..].into();
        }
    });
    runc.with_running(|container| {
        let node = container.make(&fuse(), "/dev/a/fuse");
        container.shell("busybox umount /dev/a/fuse");
        assert_eq!(container.shell("busybox stat -c %F /dev/a/fuse"), "regular empty file");
        assert_eq!(container.remove(&node), Removed::Missing);
        assert_eq!(container.shell("busybox ls /dev | busybox grep -c '^a$'"), "0");

        let node = container.make(&fuse(), "/dev/a/fuse");
        container
            .shell("busybox umount /dev/a/fuse; busybox rm /dev/a/fuse; echo own > /dev/a/fuse");
        assert_eq!(container.remove(&node), Removed::NotOurs);
        assert_eq!(container.shell("busybox cat /dev/a/fuse; busybox rm /dev/a/fuse"), "own");

        // Another mount on top of ours.
        let node = container.make(&fuse(), "/dev/a/fuse");
        container.shell("busybox mount -o bind /dev/zero /dev/a/fuse");
        assert_eq!(container.remove(&node), Removed::NotOurs);
        container.shell("busybox umount /dev/a/fuse");
        assert_eq!(container.remove(&node), Removed::Removed);

        // The directory moved away, with the node.
        let node = container.make(&fuse(), "/dev/a/fuse");
        container.shell("busybox mv /dev/a /dev/b");
        assert_eq!(container.remove(&node), Removed::Missing);
        assert_eq!(container.shell("busybox stat -c %F /dev/b/fuse"), "character special file");
    });
}

#[test]
fn a_stopped_container_is_named() {
    if !ready("runc") {
        return;
    }
    let mut stopped = None;
    runc(Kind::Plain).with_running(|container| {
        stopped = Some((container.init(), container.pid()));
    });
    let (init, pid) = stopped.expect("it ran");
    let error =
        devgate::container::make(&init, &fuse(), &crate::gated::path("/dev/x")).unwrap_err();
    assert!(matches!(error, NodeError::Init(_)), "{error:?}");
    let expected = format!("process {pid} has exited");
    assert_eq!(error.to_string(), expected);
}
