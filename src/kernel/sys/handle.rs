//! open_by_handle_at(2) of a cgroup: its id is all that a handle of cgroup2 holds.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::owned;

/// `struct file_handle` with the handle of a kernfs node (linux/exportfs.h, FILEID_KERNFS).
#[repr(C)]
struct Handle {
    handle_bytes: u32,
    handle_type: i32,
    id: u64,
}

const FILEID_KERNFS: i32 = 0xfe;

/// The directory of the cgroup with this id, on the cgroup2 that `mount` is of; ESTALE if there is
/// none (any more). It needs CAP_DAC_READ_SEARCH.
pub(crate) fn open_cgroup(mount: BorrowedFd<'_>, id: u64) -> nix::Result<OwnedFd> {
    let mut handle =
        Handle { handle_bytes: size_of::<u64>() as u32, handle_type: FILEID_KERNFS, id };
    let handle = std::ptr::from_mut(&mut handle);
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the kernel reads the handle's head and handle_bytes bytes after it, which are `id`.
    let fd = Errno::result(unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, mount.as_raw_fd(), handle, flags)
    })?;
    // SAFETY: the result is a new descriptor.
    unsafe { owned(fd) }
}
