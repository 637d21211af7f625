//! Containers whose /dev is not their own.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::common::engine::ready;
use crate::gated::{Hosted, Kind, fuse, mount, runc};

/// A folder of the host's in place of /dev: what is made in it would be made on the host.
#[test]
fn a_folder_of_the_hosts_is_not_written_to() {
    if !ready("runc") {
        return;
    }
    let host = tempfile::tempdir().expect("a folder");
    make_null(host.path());
    let mut runc = runc(Kind::Plain);
    runc.change_config(|config| {
        let source = host.path().to_str().expect("text");
        *mount(config, "/dev") = json!({
            "destination": "/dev", "type": "bind", "source": source, "options": ["bind"],
        });
        config["mounts"]
            .as_array_mut()
            .expect("an array")
            .retain(|mount| mount["destination"] != "/dev/pts");
    });
    runc.with_running(|container| {
        let names = || fs::read_dir(host.path()).expect("it can be read").count();
        let before = names();
        container.cant_make(&fuse(), "/dev/fuse", "the container's /dev is ");
        container.cant_make(&fuse(), "/dev/new/fuse", "the container's /dev is ");
        assert_eq!(names(), before);
    });
}

/// runc and its exec need one.
fn make_null(dir: &Path) {
    let made = Command::new("mknod").arg(dir.join("null")).args(["c", "1", "3"]).status();
    assert!(made.is_ok_and(|status| status.success()), "a node can be made");
}

/// The same with a tmpfs of the host's, which a volume in memory is.
#[test]
fn a_tmpfs_that_the_host_has_too_is_not_written_to() {
    if !ready("runc") {
        return;
    }
    let host = tempfile::tempdir_in("/dev/shm").expect("a folder");
    let mut runc = runc(Kind::Plain);
    runc.change_config(|config| {
        let source = host.path().to_str().expect("text");
        let covers = json!({
            "destination": "/dev/volume", "type": "bind", "source": source, "options": ["bind"],
        });
        config["mounts"].as_array_mut().expect("an array").push(covers);
    });
    runc.with_running(|container| {
        let why = "another mount is on the way to the container's /dev/volume/fuse";
        container.cant_make(&fuse(), "/dev/volume/fuse", why);
        assert_eq!(fs::read_dir(host.path()).expect("it can be read").count(), 0);
    });
}

/// What is put over /dev, or in its place, while the container runs.
#[test]
fn what_is_put_over_its_dev_is_looked_at() {
    if !ready("runc") {
        return;
    }
    let host = tempfile::tempdir_in("/dev/shm").expect("a folder");
    make_null(host.path());
    let mut runc = runc(Kind::Plain);
    runc.change_config(|config| {
        let source = host.path().to_str().expect("text");
        let volume = json!({
            "destination": "/run", "type": "bind", "source": source, "options": ["bind"],
        });
        config["mounts"].as_array_mut().expect("an array").push(volume);
    });
    runc.with_running(|container| {
        let change = |script| assert_eq!(container.shell_of_host(script), "", "{script}");
        change("busybox mount -o bind /run /dev");
        let why = "the container's /dev is mounted on the host, too";
        container.cant_make(&fuse(), "/dev/fuse", why);
        change("busybox umount /dev; busybox mount -o bind /proc /dev");
        let why = "the container's /dev is on proc, not a tmpfs of its own";
        container.cant_make(&fuse(), "/dev/fuse", why);
        // A tmpfs of its own is as good as the first one.
        change("busybox umount /dev; busybox mount -t tmpfs t /dev; busybox mknod /dev/null c 1 3");
        let node = container.make(&fuse(), "/dev/fuse");
        assert_eq!(container.shell(": <> /dev/fuse && echo opened"), "opened");
        container.remove(&node);
        change(
            "busybox umount /dev; busybox umount -l /dev; busybox rmdir /dev;
             busybox ln -s /run /dev",
        );
        let why = "the container's /dev can't be opened: Too many levels of symbolic links";
        container.cant_make(&fuse(), "/dev/fuse", why);
        let names: Vec<_> = fs::read_dir(host.path()).expect("it can be read").collect();
        assert_eq!(names.len(), 1, "{names:?}");
    });
}
