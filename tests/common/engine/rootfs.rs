//! A container's root file system: busybox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Of busybox-static, for there is no libc in the container.
pub const BUSYBOX: &str = "/bin/busybox";

/// Makes it at `root`.
pub fn make(root: &Path) {
    for dir in ["bin", "dev", "etc", "proc", "run", "sys", "tmp"] {
        fs::create_dir_all(root.join(dir)).expect("a folder can be made");
    }
    fs::copy(BUSYBOX, root.join("bin/busybox")).expect("busybox can be copied");
    for applet in ["sh", "mknod", "sleep"] {
        symlink("busybox", root.join("bin").join(applet)).expect("a link can be made");
    }
}
