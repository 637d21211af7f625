//! mount_setattr(2).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// `struct mount_attr` (linux/mount.h).
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

const MOUNT_ATTR_RDONLY: u64 = 1;

/// Takes the flag "read-only" from a mount, but not from its file system; ENOSYS before Linux
/// 5.12.
pub(crate) fn make_writable(mount: BorrowedFd<'_>) -> nix::Result<()> {
    let attr = MountAttr { attr_clr: MOUNT_ATTR_RDONLY, ..MountAttr::default() };
    // SAFETY: the path ends with NUL, and the kernel reads the attributes for the size passed.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            std::ptr::from_ref(&attr),
            size_of::<MountAttr>(),
        )
    };
    Errno::result(outcome).map(drop)
}
