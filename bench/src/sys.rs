//! The fence around unsafe code: bpf(2) for device programs. Each function is safe to call with
//! any argument.

#![allow(unsafe_code)]

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;
const ENABLE_STATS: libc::c_long = 32;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;
const STATS_RUN_TIME: u32 = 0;

#[derive(Default)]
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log: [u32; 4],
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

#[derive(Default)]
#[repr(C)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// As far as `revision`, which kernels write whatever size is passed.
#[derive(Default)]
#[repr(C)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
    unused: [u64; 3],
    revision: u64,
}

/// `struct bpf_prog_info` as far as it is used.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Info {
    prog_type: u32,
    /// The program's id.
    pub id: u32,
    tag: [u8; 8],
    jited_prog_len: u32,
    /// Bytes of its instructions, as the verifier left them.
    pub xlated_prog_len: u32,
    jited_prog_insns: u64,
    xlated_prog_insns: u64,
    unused: [u64; 19],
    /// Time spent in it while statistics were on.
    pub run_time_ns: u64,
    /// Runs while statistics were on.
    pub run_cnt: u64,
    recursion_misses: u64,
    /// Instructions that the verifier walked.
    pub verified_insns: u32,
    attach_btf_obj_id: u32,
}

/// bpf(2).
///
/// # Safety
/// `A` must be the part of `union bpf_attr` that `command` uses, and each address in it that of
/// memory which the kernel may use as the command does.
unsafe fn bpf<A>(command: libc::c_long, attr: &mut A) -> nix::Result<libc::c_long> {
    let attr = std::ptr::from_mut(attr);
    // SAFETY: `attr` is exclusively borrowed and of the size passed; the rest is promised.
    Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<A>()) })
}

/// As [`bpf`], for commands whose result is a descriptor.
///
/// # Safety
/// As for [`bpf`]; `command` must return a new descriptor.
unsafe fn bpf_fd<A>(command: libc::c_long, attr: &mut A) -> nix::Result<OwnedFd> {
    // SAFETY: promised.
    let fd = unsafe { bpf(command, attr)? };
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// Loads raw instructions as a device program.
pub fn load(insns: &[u8]) -> nix::Result<OwnedFd> {
    let mut name = [0; 16];
    name[..5].copy_from_slice(b"bench");
    let mut attr = LoadAttr {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(insns.len() / 8).map_err(|_| Errno::E2BIG)?,
        insns: insns.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        prog_name: name,
        expected_attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        ..LoadAttr::default()
    };
    // SAFETY: `insns` is read for insn_cnt * 8 bytes, which it has; the license is a C string.
    unsafe { bpf_fd(PROG_LOAD, &mut attr) }
}

/// Attaches a program beside others.
pub fn attach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> nix::Result<()> {
    let mut attr = AttachAttr {
        target_fd: number(cgroup),
        attach_bpf_fd: number(program),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        attach_flags: ALLOW_MULTI,
    };
    // SAFETY: the attr has no addresses.
    unsafe { bpf(PROG_ATTACH, &mut attr) }.map(drop)
}

/// Detaches a program.
pub fn detach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> nix::Result<()> {
    let mut attr = AttachAttr {
        target_fd: number(cgroup),
        attach_bpf_fd: number(program),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        attach_flags: 0,
    };
    // SAFETY: the attr has no addresses.
    unsafe { bpf(PROG_DETACH, &mut attr) }.map(drop)
}

/// Ids of the programs attached to the cgroup itself.
pub fn query(cgroup: BorrowedFd<'_>) -> nix::Result<Vec<u32>> {
    let mut ids = vec![0_u32; 64];
    let mut attr = QueryAttr {
        target_fd: number(cgroup),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: 64,
        ..QueryAttr::default()
    };
    // SAFETY: `ids` is exclusively borrowed and written for prog_cnt ids at most.
    unsafe { bpf(PROG_QUERY, &mut attr)? };
    ids.truncate(attr.prog_cnt as usize);
    Ok(ids)
}

/// A descriptor of the program with this id.
pub fn open(id: u32) -> nix::Result<OwnedFd> {
    let mut attr = [id, 0, 0];
    // SAFETY: id, next_id and open_flags; no addresses.
    unsafe { bpf_fd(PROG_GET_FD_BY_ID, &mut attr) }
}

/// What the kernel tells of a program; `insns` takes its instructions, as many as fit.
fn info_into(program: BorrowedFd<'_>, insns: &mut [u8]) -> nix::Result<Info> {
    let mut info = Info {
        xlated_prog_len: u32::try_from(insns.len()).map_err(|_| Errno::E2BIG)?,
        xlated_prog_insns: if insns.is_empty() { 0 } else { insns.as_mut_ptr() as u64 },
        ..Info::default()
    };
    let address = std::ptr::from_mut(&mut info) as u64;
    let head = u64::from(number(program)) | (size_of::<Info>() as u64) << 32;
    let mut attr = [head, address];
    // SAFETY: bpf_fd and info_len (little endian), then the address of `info`, which is written
    // for info_len bytes; `insns` is exclusively borrowed and written for its length at most.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &mut attr)? };
    Ok(info)
}

/// What the kernel tells of a program.
pub fn info(program: BorrowedFd<'_>) -> nix::Result<Info> {
    info_into(program, &mut [])
}

/// A program's instructions, as the verifier left them.
pub fn insns(program: BorrowedFd<'_>) -> nix::Result<Vec<u8>> {
    let mut insns = vec![0; info(program)?.xlated_prog_len as usize];
    info_into(program, &mut insns)?;
    Ok(insns)
}

/// Turns run-time statistics on, as `kernel.bpf_stats_enabled` does, until the descriptor is
/// closed: however the bench ends, they are as they were.
pub fn enable_stats() -> nix::Result<OwnedFd> {
    let mut attr = [STATS_RUN_TIME];
    // SAFETY: no addresses.
    unsafe { bpf_fd(ENABLE_STATS, &mut attr) }
}
