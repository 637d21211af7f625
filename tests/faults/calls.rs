//! The syscalls that devgate makes, and the errors that each can return when its arguments are
//! right (the ERRORS of their man pages, and for bpf(2) kernel/bpf/{syscall,cgroup}.c).
//!
//! The errors of a descriptor that is none, or of memory that is not there, would be a mistake in
//! devgate and are left out.

use nix::errno::Errno::{self, *};

/// A syscall, or one command of it.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    number: i64,
    /// Which command: the place of the argument and its value.
    command: Option<(usize, u64)>,
    pub errnos: &'static [Errno],
    /// Whether it may change what is attached.
    pub changes: bool,
}

const fn call(name: &'static str, number: i64, errnos: &'static [Errno]) -> Row {
    Row { name, number, command: None, errnos, changes: false }
}

const fn bpf(command: u64, errnos: &'static [Errno]) -> Row {
    let changes =
        matches!(command, PROG_ATTACH | PROG_DETACH | LINK_CREATE | LINK_UPDATE | LINK_DETACH);
    Row { name: "bpf", number: libc::SYS_bpf, command: Some((0, command)), errnos, changes }
}

const fn fcntl(command: i32, errnos: &'static [Errno]) -> Row {
    let command = Some((1, command as u64));
    Row { name: "fcntl", number: libc::SYS_fcntl, command, errnos, changes: false }
}

const PROG_LOAD: u64 = 5;
const OBJ_PIN: u64 = 6;
const OBJ_GET: u64 = 7;
const PROG_ATTACH: u64 = 8;
const PROG_DETACH: u64 = 9;
const PROG_GET_FD_BY_ID: u64 = 13;
const OBJ_GET_INFO_BY_FD: u64 = 15;
const PROG_QUERY: u64 = 16;
const LINK_CREATE: u64 = 28;
const LINK_UPDATE: u64 = 29;
const LINK_DETACH: u64 = 34;
const LINK_GET_FD_BY_ID: u64 = 30;
const LINK_GET_NEXT_ID: u64 = 31;

const OPEN: &[Errno] = &[ENOENT, EACCES, EMFILE, ENFILE, ENOMEM, EINTR, ELOOP];
const STAT: &[Errno] = &[ENOENT, EACCES, ENOMEM];
const READ: &[Errno] = &[EINTR, EIO, EAGAIN, ENOMEM];
const WRITE: &[Errno] = &[EINTR, EIO, EAGAIN, ENOSPC, EPIPE];
const MEMORY: &[Errno] = &[ENOMEM];
const CLOSE: &[Errno] = &[EINTR, EIO];

static ROWS: &[Row] = &[
    bpf(PROG_LOAD, &[EPERM, EAGAIN, ENOMEM, EINVAL, E2BIG, EACCES, EMFILE]),
    // ENOENT would be of a cgroup that is removed.
    bpf(PROG_QUERY, &[EPERM, EAGAIN, ENOMEM, ENOSPC]),
    bpf(PROG_ATTACH, &[EPERM, EAGAIN, ENOMEM, EINVAL, E2BIG, ENOENT, ESTALE]),
    bpf(PROG_DETACH, &[EPERM, EAGAIN, ENOMEM, ENOENT, ESTALE]),
    bpf(PROG_GET_FD_BY_ID, &[EPERM, EAGAIN, ENOMEM, ENOENT, EMFILE]),
    bpf(OBJ_GET_INFO_BY_FD, &[EPERM, EAGAIN, ENOMEM]),
    bpf(OBJ_GET, &[EPERM, EAGAIN, ENOMEM, ENOENT, EACCES, EMFILE]),
    bpf(LINK_CREATE, &[EPERM, EAGAIN, ENOMEM, EINVAL, E2BIG, ENOSPC]),
    bpf(OBJ_PIN, &[EPERM, EAGAIN, ENOMEM, EEXIST, EACCES]),
    bpf(LINK_UPDATE, &[EPERM, EAGAIN, ENOMEM, ENOENT, ENOLINK]),
    bpf(LINK_DETACH, &[EPERM, EAGAIN, ENOMEM]),
    bpf(LINK_GET_FD_BY_ID, &[EPERM, EAGAIN, ENOMEM, ENOENT, EMFILE]),
    bpf(LINK_GET_NEXT_ID, &[EPERM, EAGAIN, ENOMEM, ENOENT]),
    fcntl(libc::F_DUPFD_CLOEXEC, &[EMFILE]),
    fcntl(libc::F_OFD_SETLK, &[EAGAIN, EACCES, ENOLCK, EINTR]),
    fcntl(libc::F_GETFD, &[]),
    fcntl(libc::F_GETFL, &[]),
    fcntl(libc::F_SETFD, &[]),
    fcntl(libc::F_SETFL, &[]),
    call("access", libc::SYS_access, STAT),
    call("arch_prctl", libc::SYS_arch_prctl, &[]),
    // It fails by returning the old end; the C library goes on with mmap.
    call("brk", libc::SYS_brk, &[]),
    call("chmod", libc::SYS_chmod, &[EPERM, EROFS]),
    call("clock_gettime", libc::SYS_clock_gettime, &[]),
    call("clock_nanosleep", libc::SYS_clock_nanosleep, &[EINTR]),
    call("close", libc::SYS_close, CLOSE),
    call("execve", libc::SYS_execve, &[]),
    call("exit_group", libc::SYS_exit_group, &[]),
    call("faccessat2", libc::SYS_faccessat2, STAT),
    call("fchmod", libc::SYS_fchmod, &[EPERM, EROFS]),
    call("fchown", libc::SYS_fchown, &[EPERM, EROFS]),
    call("flock", libc::SYS_flock, &[EINTR, EAGAIN, ENOLCK]),
    call("fstat", libc::SYS_fstat, MEMORY),
    call("fstatfs", libc::SYS_fstatfs, &[EINTR, EIO, ENOMEM, ENOSYS]),
    call("fsync", libc::SYS_fsync, &[EIO, ENOSPC]),
    call("ftruncate", libc::SYS_ftruncate, &[EINTR, EIO]),
    call("futex", libc::SYS_futex, &[]),
    call("getcwd", libc::SYS_getcwd, &[ENOENT]),
    call("getdents64", libc::SYS_getdents64, &[ENOENT]),
    call("geteuid", libc::SYS_geteuid, &[]),
    call("getpid", libc::SYS_getpid, &[]),
    call("getrandom", libc::SYS_getrandom, &[EAGAIN, EINTR, ENOSYS]),
    call("gettid", libc::SYS_gettid, &[]),
    call("getuid", libc::SYS_getuid, &[]),
    call("ioctl", libc::SYS_ioctl, &[ENOTTY]),
    call("lseek", libc::SYS_lseek, &[ESPIPE]),
    call("lstat", libc::SYS_lstat, STAT),
    call("mkdir", libc::SYS_mkdir, &[EACCES, EEXIST, ENOENT, ENOSPC, EROFS]),
    call("mkdirat", libc::SYS_mkdirat, &[EACCES, EEXIST, ENOENT, ENOSPC, EROFS]),
    call("mmap", libc::SYS_mmap, MEMORY),
    call("mprotect", libc::SYS_mprotect, MEMORY),
    call("mremap", libc::SYS_mremap, MEMORY),
    call("munmap", libc::SYS_munmap, MEMORY),
    call("newfstatat", libc::SYS_newfstatat, STAT),
    call("open", libc::SYS_open, OPEN),
    call("openat", libc::SYS_openat, OPEN),
    call("openat2", libc::SYS_openat2, OPEN),
    call(
        "pidfd_open",
        libc::SYS_pidfd_open,
        &[ESRCH, EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, ENOSYS],
    ),
    call("poll", libc::SYS_poll, &[EINTR, ENOMEM, EAGAIN]),
    call("ppoll", libc::SYS_ppoll, &[EINTR, ENOMEM]),
    call("pread64", libc::SYS_pread64, READ),
    call("prlimit64", libc::SYS_prlimit64, &[EPERM]),
    call("pwrite64", libc::SYS_pwrite64, WRITE),
    call("read", libc::SYS_read, READ),
    call("readlink", libc::SYS_readlink, STAT),
    call("readlinkat", libc::SYS_readlinkat, STAT),
    call("rename", libc::SYS_rename, &[EACCES, ENOENT, ENOSPC, EROFS]),
    call("renameat", libc::SYS_renameat, &[EACCES, ENOENT, ENOSPC, EROFS]),
    call("renameat2", libc::SYS_renameat2, &[EACCES, ENOENT, ENOSPC, EROFS, EINVAL, ENOSYS]),
    call("rseq", libc::SYS_rseq, &[ENOSYS]),
    call("rt_sigaction", libc::SYS_rt_sigaction, &[]),
    call("rt_sigprocmask", libc::SYS_rt_sigprocmask, &[]),
    call("rt_sigreturn", libc::SYS_rt_sigreturn, &[]),
    call("sched_getaffinity", libc::SYS_sched_getaffinity, &[ESRCH]),
    call("set_robust_list", libc::SYS_set_robust_list, &[ENOSYS]),
    call("set_tid_address", libc::SYS_set_tid_address, &[]),
    call("sigaltstack", libc::SYS_sigaltstack, MEMORY),
    call("stat", libc::SYS_stat, STAT),
    call("statfs", libc::SYS_statfs, &[ENOENT, EACCES, EINTR, EIO, ENOMEM, ENOSYS]),
    call("statx", libc::SYS_statx, &[ENOENT, EACCES, ENOMEM, ENOSYS]),
    call("tgkill", libc::SYS_tgkill, &[]),
    call("umask", libc::SYS_umask, &[]),
    call("uname", libc::SYS_uname, &[]),
    call("unlink", libc::SYS_unlink, &[EACCES, ENOENT, EROFS]),
    call("unlinkat", libc::SYS_unlinkat, &[EACCES, ENOENT, EROFS]),
    call("write", libc::SYS_write, WRITE),
    call("writev", libc::SYS_writev, WRITE),
];

impl Row {
    /// The command's number, in brackets, if it is one of several.
    pub fn command(&self) -> String {
        self.command.map_or(String::new(), |(_, command)| format!(" ({command})"))
    }
}

/// The errors that every command of bpf(2) can return. Those are the ones that may persist, since
/// a fault from one call on is of the calls after it as well.
pub fn of_every_bpf() -> impl Iterator<Item = Errno> {
    let rows = || ROWS.iter().filter(|row| row.name == "bpf");
    let candidates = rows().next().into_iter().flat_map(|row| row.errnos);
    candidates.copied().filter(move |errno| rows().all(|row| row.errnos.contains(errno)))
}

/// What is known of a syscall.
///
/// # Panics
/// If nothing is known of it. Then the table needs a row for it.
pub fn row(number: u64, args: [u64; 2]) -> &'static Row {
    let is_it = |row: &&Row| {
        row.number.cast_unsigned() == number
            && row.command.is_none_or(|(place, value)| args[place] & 0xffff_ffff == value)
    };
    let found = ROWS.iter().find(is_it);
    found.unwrap_or_else(|| {
        panic!("calls.rs has no row for syscall {number}, first arguments {args:?}")
    })
}

/// The table's own string for a syscall's name.
pub fn name(text: &str) -> Option<&'static str> {
    ROWS.iter().map(|row| row.name).find(|name| *name == text)
}

/// The errno that is called `text`.
pub fn errno(text: &str) -> Option<Errno> {
    let mut all = ROWS.iter().flat_map(|row| row.errnos);
    all.find(|errno| format!("{errno:?}") == text).copied()
}

#[test]
fn what_may_persist() {
    assert_eq!(of_every_bpf().collect::<Vec<_>>(), [EPERM, EAGAIN, ENOMEM]);
}
