//! Calls that name no object. The kernel looks at command, flags and fields first, and only then
//! for the program, which is not there: nothing can come of them on any kernel.

use super::attr::{LinkCreate, ProgAttach};
use super::link::LINK_CREATE;
use super::{ATTACH_TYPE_CGROUP_DEVICE, PROG_ATTACH, bpf};

/// -1, which is no descriptor.
const NO_FD: u32 = u32::MAX;

/// BPF_PROG_ATTACH of no program to no cgroup.
pub(in crate::kernel) fn attach_nothing(flags: u32, expected_revision: u64) -> nix::Result<()> {
    let mut attr = ProgAttach {
        target_fd: NO_FD,
        attach_bpf_fd: NO_FD,
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        attach_flags: flags,
        expected_revision,
        ..ProgAttach::default()
    };
    // SAFETY: the layout is asserted in a test, and the attr has no addresses.
    unsafe { bpf(PROG_ATTACH, &mut attr) }.map(drop)
}

/// BPF_LINK_CREATE of no program and no cgroup.
pub(in crate::kernel) fn link_nothing() -> nix::Result<()> {
    let mut attr = LinkCreate {
        prog_fd: NO_FD,
        target_fd: NO_FD,
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        flags: 0,
    };
    // SAFETY: the layout is asserted in a test, and the attr has no addresses.
    unsafe { bpf(LINK_CREATE, &mut attr) }.map(drop)
}
