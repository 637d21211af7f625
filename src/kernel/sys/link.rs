//! bpf(2) on links: create, update, pin.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::attr::{LinkCreate, LinkDetach, LinkUpdate, ObjGet};
use super::{ATTACH_TYPE_CGROUP_DEVICE, bpf, number, owned};

const OBJ_PIN: libc::c_long = 6;
pub(super) const LINK_CREATE: libc::c_long = 28;
const LINK_UPDATE: libc::c_long = 29;
const LINK_DETACH: libc::c_long = 34;

/// Only if the link has this program still.
const BPF_F_REPLACE: u32 = 4;

/// BPF_LINK_CREATE of a device program to a cgroup. The kernel takes no flags here and attaches
/// as with BPF_F_ALLOW_MULTI (cgroup_bpf_link_attach).
pub(in crate::kernel) fn link_create(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
) -> nix::Result<OwnedFd> {
    let mut attr = LinkCreate {
        prog_fd: number(program),
        target_fd: number(cgroup),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        flags: 0,
    };
    // SAFETY: the layout is asserted in a test, the attr has no addresses, and the result is a
    // new descriptor.
    unsafe { owned(bpf(LINK_CREATE, &mut attr)?) }
}

/// BPF_LINK_UPDATE from one program to another: EPERM if the link has a third, ENOLINK if its
/// cgroup is gone.
pub(in crate::kernel) fn link_update(
    link: BorrowedFd<'_>,
    new: BorrowedFd<'_>,
    old: BorrowedFd<'_>,
) -> nix::Result<()> {
    let mut attr = LinkUpdate {
        link_fd: number(link),
        new_prog_fd: number(new),
        flags: BPF_F_REPLACE,
        old_prog_fd: number(old),
    };
    // SAFETY: the layout is asserted in a test, and the attr has no addresses.
    unsafe { bpf(LINK_UPDATE, &mut attr) }.map(drop)
}

/// BPF_LINK_DETACH: the link holds nothing any more, whoever else has it.
pub(in crate::kernel) fn link_detach(link: BorrowedFd<'_>) -> nix::Result<()> {
    let mut attr = LinkDetach { link_fd: number(link) };
    // SAFETY: the layout is asserted in a test, and the attr has no addresses.
    unsafe { bpf(LINK_DETACH, &mut attr) }.map(drop)
}

/// BPF_OBJ_PIN: EEXIST if there is something at the path.
pub(in crate::kernel) fn obj_pin(object: BorrowedFd<'_>, path: &CStr) -> nix::Result<()> {
    let mut attr =
        ObjGet { pathname: path.as_ptr() as u64, bpf_fd: number(object), ..ObjGet::default() };
    // SAFETY: the layout is asserted in a test, and `path` is read up to its NUL.
    unsafe { bpf(OBJ_PIN, &mut attr) }.map(drop)
}
