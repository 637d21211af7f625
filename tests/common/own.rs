//! What devgate writes outside of a cgroup, for one test alone.

use std::cell::Cell;
use std::fs::{DirBuilder, Permissions, set_permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const RUN_DIR: &str = "/run/devgate";
const BPFFS: &str = "/sys/fs/bpf";

thread_local! {
    static ISOLATED: Cell<bool> = const { Cell::new(false) };
}

/// Gives this thread, and what it starts, a bpffs and a directory for records of their own. They
/// end with the last of these processes, so a test leaves no pin and no record.
pub fn isolate() {
    if ISOLATED.replace(true) {
        return;
    }
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).expect("root can make a mount namespace");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).expect("mounts can be made private");
    mount(none, BPFFS, Some("bpf"), MsFlags::empty(), none).expect("a bpffs can be mounted");
    if !Path::new(RUN_DIR).exists() {
        // A neighbouring test may be doing the same.
        let _ = DirBuilder::new().mode(0o700).create(RUN_DIR);
    }
    mount(none, RUN_DIR, Some("tmpfs"), MsFlags::empty(), none).expect("a tmpfs can be mounted");
    set_permissions(RUN_DIR, Permissions::from_mode(0o700)).expect("it is ours");
}
