//! The fence around unsafe code: bpf(2) and other system calls that no crate wraps in a way that
//! serves here. Each function is safe to call with any argument.

#![allow(unsafe_code)]

pub(crate) mod attr;
pub(crate) mod handle;
pub(super) mod link;
pub(super) mod map;
pub(crate) mod mount;
pub(super) mod probe;
pub(super) mod ring;

use std::ffi::CStr;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::retry::retrying;
use crate::bpf::Insn;
use attr::{GetFdById, GetInfoByFd, LinkInfo, ObjGet, ProgAttach, ProgInfo, ProgLoad, ProgQuery};

/// Commands of linux/bpf.h.
const PROG_LOAD: libc::c_long = 5;
const OBJ_GET: libc::c_long = 7;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;
const LINK_GET_FD_BY_ID: libc::c_long = 30;
const LINK_GET_NEXT_ID: libc::c_long = 31;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
pub(super) const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;
pub(super) const LINK_TYPE_CGROUP: u32 = 3;
const QUERY_EFFECTIVE: u32 = 1;

/// bpf(2), made again on EAGAIN.
///
/// # Safety
/// `A` must be laid out as the part of `union bpf_attr` that `command` uses, and each address
/// in it be 0 or that of memory which the kernel may use as the command does.
unsafe fn bpf<A>(command: libc::c_long, attr: &mut A) -> nix::Result<libc::c_long> {
    retrying(|| {
        let attr = std::ptr::from_mut(attr);
        // SAFETY: `attr` is exclusively borrowed and of the size that is passed; the rest is
        // the caller's promise.
        Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<A>()) })
    })
}

/// The descriptor that a call returned.
///
/// # Safety
/// `fd` must be a descriptor that nobody else owns.
unsafe fn owned(fd: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the caller's promise.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if fd.as_raw_fd() > 0 {
        return Ok(fd);
    }
    // bpf(2) takes 0 for "not set" in places.
    let moved = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: F_DUPFD_CLOEXEC returns a new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// A descriptor's number as the attrs have it.
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn address<T>(memory: &mut [T]) -> u64 {
    memory.as_mut_ptr() as u64
}

/// BPF_PROG_LOAD of a device program. With a `log`, the verifier writes there, NUL-terminated.
pub(super) fn prog_load(
    insns: &[Insn],
    license: &CStr,
    name: [u8; 16],
    log: Option<&mut [u8]>,
) -> nix::Result<OwnedFd> {
    let (log_level, log_size, log_buf) = match log {
        Some(log) => (1, u32::try_from(log.len()).unwrap_or(u32::MAX), address(log)),
        None => (0, 0, 0),
    };
    let mut attr = ProgLoad {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(insns.len()).map_err(|_| Errno::E2BIG)?,
        insns: insns.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level,
        log_size,
        log_buf,
        prog_name: name,
        expected_attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        ..ProgLoad::default()
    };
    // SAFETY: the layout is asserted in a test. `insns` is read for insn_cnt instructions of
    // the kernel's layout (repr(C)), `license` up to its NUL, and `log` is exclusively borrowed
    // and written for log_size bytes at most. The result is a new descriptor.
    unsafe { owned(bpf(PROG_LOAD, &mut attr)?) }
}

/// BPF_PROG_ATTACH to a cgroup, in place of `replace` if given. A revision of 0 is no
/// condition.
pub(super) fn prog_attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    flags: u32,
    replace: Option<BorrowedFd<'_>>,
    expected_revision: u64,
) -> nix::Result<()> {
    let mut attr = ProgAttach {
        target_fd: number(cgroup),
        attach_bpf_fd: number(program),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        attach_flags: flags,
        replace_bpf_fd: replace.map_or(0, number),
        expected_revision,
        ..ProgAttach::default()
    };
    // SAFETY: the layout is asserted in a test, and the attr has no addresses.
    unsafe { bpf(PROG_ATTACH, &mut attr) }.map(drop)
}

/// BPF_PROG_DETACH from a cgroup. A revision of 0 is no condition.
pub(super) fn prog_detach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    expected_revision: u64,
) -> nix::Result<()> {
    let mut attr = ProgAttach {
        target_fd: number(cgroup),
        attach_bpf_fd: number(program),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        expected_revision,
        ..ProgAttach::default()
    };
    // SAFETY: the layout is asserted in a test, and the attr has no addresses.
    unsafe { bpf(PROG_DETACH, &mut attr) }.map(drop)
}

/// What BPF_PROG_QUERY says besides the ids.
pub(super) struct Queried {
    /// Programs attached, which may be more than there was room for.
    pub count: usize,
    /// Flags that they were attached with.
    pub attach_flags: u32,
    /// Changes so far; 0 if the kernel does not count them.
    pub revision: u64,
    /// Whether the ids are all there.
    pub complete: bool,
}

/// Which programs BPF_PROG_QUERY lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// Those attached to the cgroup itself.
    Attached,
    /// Those that run for its processes, ancestors' included.
    Effective,
}

/// BPF_PROG_QUERY of a cgroup's programs, in their order.
pub(super) fn prog_query(
    cgroup: BorrowedFd<'_>,
    query: Query,
    ids: &mut [u32],
) -> nix::Result<Queried> {
    let mut attr = ProgQuery {
        target_fd: number(cgroup),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        query_flags: match query {
            Query::Attached => 0,
            Query::Effective => QUERY_EFFECTIVE,
        },
        prog_ids: address(ids),
        prog_cnt: u32::try_from(ids.len()).unwrap_or(u32::MAX),
        ..ProgQuery::default()
    };
    // SAFETY: the layout is asserted in a test; it reaches to `revision`, which kernels write
    // whatever size is passed. `ids` is exclusively borrowed and written for prog_cnt ids at
    // most.
    let outcome = unsafe { bpf(PROG_QUERY, &mut attr) };
    let complete = match outcome {
        Ok(_) => true,
        Err(Errno::ENOSPC) => false,
        Err(errno) => return Err(errno),
    };
    Ok(Queried {
        count: attr.prog_cnt as usize,
        attach_flags: attr.attach_flags,
        revision: attr.revision,
        complete,
    })
}

/// BPF_PROG_GET_FD_BY_ID.
pub(super) fn prog_fd_by_id(id: u32) -> nix::Result<OwnedFd> {
    let mut attr = GetFdById { id, ..GetFdById::default() };
    // SAFETY: the layout is asserted in a test, the attr has no addresses, and the result is a
    // new descriptor.
    unsafe { owned(bpf(PROG_GET_FD_BY_ID, &mut attr)?) }
}

/// BPF_OBJ_GET_INFO_BY_FD of a program; `insns` takes its translated instructions, as many as
/// there is room for.
pub(super) fn prog_info(program: BorrowedFd<'_>, insns: &mut [Insn]) -> nix::Result<ProgInfo> {
    let room = size_of_val(insns);
    let mut info = ProgInfo {
        xlated_prog_len: u32::try_from(room).unwrap_or(u32::MAX),
        xlated_prog_insns: if room == 0 { 0 } else { address(insns) },
        ..ProgInfo::default()
    };
    // SAFETY: the layout is asserted in a test. The kernel writes `insns`, exclusively borrowed,
    // for xlated_prog_len bytes at most; any bytes are an Insn.
    unsafe { info_by_fd(program, &mut info)? };
    Ok(info)
}

/// BPF_OBJ_GET_INFO_BY_FD.
///
/// # Safety
/// `I` must be laid out as the first part of the kernel's info for this kind of object, any
/// bytes must be an `I`, and each address in it be 0 or that of memory which the kernel may
/// write as the info's lengths say.
unsafe fn info_by_fd<I>(object: BorrowedFd<'_>, info: &mut I) -> nix::Result<()> {
    let mut attr = GetInfoByFd {
        bpf_fd: number(object),
        info_len: size_of::<I>() as u32,
        info: std::ptr::from_mut(info) as u64,
    };
    // SAFETY: the layout is asserted in a test. `info` is exclusively borrowed and written for
    // info_len bytes at most; the rest is the caller's promise.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &mut attr) }.map(drop)
}

/// BPF_LINK_GET_NEXT_ID: the smallest id of a link above this one; ENOENT if there is none.
pub(super) fn link_next_id(id: u32) -> nix::Result<u32> {
    let mut attr = GetFdById { id, ..GetFdById::default() };
    // SAFETY: the layout is asserted in a test, and the attr has no addresses.
    unsafe { bpf(LINK_GET_NEXT_ID, &mut attr)? };
    Ok(attr.next_id)
}

/// BPF_LINK_GET_FD_BY_ID.
pub(super) fn link_fd_by_id(id: u32) -> nix::Result<OwnedFd> {
    let mut attr = GetFdById { id, ..GetFdById::default() };
    // SAFETY: the layout is asserted in a test, the attr has no addresses, and the result is a
    // new descriptor.
    unsafe { owned(bpf(LINK_GET_FD_BY_ID, &mut attr)?) }
}

/// BPF_OBJ_GET_INFO_BY_FD of a link.
pub(super) fn link_info(link: BorrowedFd<'_>) -> nix::Result<LinkInfo> {
    let mut info = LinkInfo::default();
    // SAFETY: the layout is asserted in a test. Addresses are in the info of other types of
    // links, in the part that is zero here.
    unsafe { info_by_fd(link, &mut info)? };
    Ok(info)
}

/// BPF_OBJ_GET: what is pinned at this path.
pub(super) fn obj_get(path: &CStr) -> nix::Result<OwnedFd> {
    let mut attr = ObjGet { pathname: path.as_ptr() as u64, ..ObjGet::default() };
    // SAFETY: the layout is asserted in a test, `path` is read up to its NUL, and the result
    // is a new descriptor.
    unsafe { owned(bpf(OBJ_GET, &mut attr)?) }
}

/// The program that is pinned at this path; EINVAL if it is something else.
pub(super) fn prog_at(path: &CStr) -> nix::Result<OwnedFd> {
    let object = obj_get(path)?;
    match kind_of(object.as_fd()).as_deref() {
        Some("bpf-prog") => Ok(object),
        _ => Err(Errno::EINVAL),
    }
}

/// What a descriptor of bpf(2) stands for: to a question about one kind of object the kernel
/// answers for the others as well.
fn kind_of(object: BorrowedFd<'_>) -> Option<String> {
    let target = std::fs::read_link(format!("/proc/self/fd/{}", number(object))).ok()?;
    target.to_str()?.strip_prefix("anon_inode:").map(str::to_owned)
}

/// pidfd_open(2): a descriptor that stands for this process even when its id is used again.
pub(crate) fn pidfd_open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_open takes no addresses.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the result is a new descriptor.
    unsafe { owned(fd) }
}

#[cfg(test)]
mod tests;
