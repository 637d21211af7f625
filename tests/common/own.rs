//! What devgate writes outside of a cgroup, for one test alone.

use std::cell::Cell;
use std::fs::{DirBuilder, Permissions, set_permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Records, and what is kept.
const DIRS: [(&str, u32); 2] = [("/run/devgate", 0o700), ("/var/lib/devgate", 0o755)];
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
    for (dir, mode) in DIRS {
        if !Path::new(dir).exists() {
            // A neighbouring test may be doing the same.
            let _ = DirBuilder::new().mode(mode).create(dir);
        }
        mount(none, dir, Some("tmpfs"), MsFlags::empty(), none).expect("a tmpfs can be mounted");
        set_permissions(dir, Permissions::from_mode(mode)).expect("it is ours");
    }
}
