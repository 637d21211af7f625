//! Loading a program, and why the kernel would not take it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use thiserror::Error;

use super::program::{ProgId, Program, ProgramError};
use super::sys;
use crate::bpf::{Insn, MAP_FD, Op, decode};
use crate::verify::{AllowsAll, Verified};

/// The names of devgate's programs begin with this.
pub const NAME_PREFIX: &str = "devgate";

/// The name of the programs that observe. It is not one of those that enforce.
pub const OBSERVER_NAME: &str = "observe_devgate";

/// The kernel asks for a license; ours is not the GPL, so GPL helpers are out of reach.
pub(super) const LICENSE: &CStr = c"Apache-2.0";

/// The verifier's log grows from the first size to the last (the limit before Linux 5.16).
const FIRST_LOG: usize = 1 << 16;
const LAST_LOG: usize = (1 << 24) - 1;

/// A program in the kernel. It goes when this and its attachments are gone.
#[derive(Debug)]
pub struct Loaded {
    fd: OwnedFd,
    id: ProgId,
}

impl Loaded {
    /// The kernel's id for it.
    pub fn id(&self) -> ProgId {
        self.id
    }

    /// A program that was loaded before and is in the kernel still: it stays there for as long as
    /// this does.
    ///
    /// # Errors
    /// ENOENT if it is gone.
    pub(crate) fn again(id: ProgId) -> nix::Result<Loaded> {
        id.open().map(|fd| Loaded { fd, id })
    }

    /// The observer that is pinned at this path of a bpffs.
    ///
    /// # Errors
    /// ENOENT if nothing is; EINVAL if it is something else.
    pub(crate) fn observer_at(path: &Path) -> nix::Result<Loaded> {
        let fd = sys::prog_at(&c_path(path)?)?;
        match Program::of(fd.as_fd()) {
            Ok(program) if program.name == OBSERVER_NAME => Ok(Loaded { fd, id: program.id }),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Pins it, so that it lives on without a process or a cgroup that holds it.
    ///
    /// # Errors
    /// EEXIST if there is something at the path, EPERM if that is not on a bpffs.
    pub(crate) fn pin(&self, path: &Path) -> nix::Result<()> {
        sys::link::obj_pin(self.as_fd(), &c_path(path)?)
    }

    /// Its descriptor.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }
}

impl AsFd for Loaded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `BPF_MAXINSNS` of linux/bpf_common.h: a program this long is never too long.
const ALWAYS_LOOKED_AT: usize = 4096;

/// Why a program was not loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// No right to load programs: CAP_BPF (or CAP_SYS_ADMIN) in the initial user namespace.
    #[error("no permission to load a program (CAP_BPF or CAP_SYS_ADMIN is needed)")]
    Permission(#[source] Errno),
    /// The verifier has a limit of its own, on the instructions that it looks at.
    #[error(
        "the kernel's verifier gave up on the program's {insns} instructions, some of which it looks \
         at again and again, a million times at most in all: the policy must name fewer devices"
    )]
    TooComplex {
        /// Its instructions.
        insns: usize,
    },
    /// The verifier refused it.
    #[error("the kernel refused the program ({errno}): {log}")]
    Rejected {
        /// What it answered.
        errno: Errno,
        /// The telling lines of the verifier's log.
        log: String,
    },
    /// The program is loaded and can't be described.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// Loads a proven program under the name `devgate`.
///
/// # Errors
/// [`LoadError::Rejected`] carries what the verifier said.
pub fn load(verified: &Verified) -> Result<Loaded, LoadError> {
    load_insns(verified.program().insns(), NAME_PREFIX)
}

/// Loads a program that is proven to allow everything, with the maps that it refers to, under the
/// name [`OBSERVER_NAME`].
///
/// # Errors
/// As for [`load`]; EBADF in [`LoadError::Rejected`] if there are not as many maps.
pub fn load_observer(proven: &AllowsAll, maps: &[BorrowedFd<'_>]) -> Result<Loaded, LoadError> {
    let mut insns = proven.program().insns().to_vec();
    for index in 0..insns.len() {
        let decoded = decode(&insns, index).map(|decoded| decoded.op);
        if let Ok(Op::LoadObject { dst, kind: MAP_FD, imm }) = decoded {
            let map = usize::try_from(imm).ok().and_then(|place| maps.get(place));
            let fd = map.map_or(-1, AsRawFd::as_raw_fd);
            insns[index] = Insn::object(dst, MAP_FD, fd);
        }
    }
    load_insns(&insns, OBSERVER_NAME)
}

fn load_insns(insns: &[Insn], name: &str) -> Result<Loaded, LoadError> {
    let fd = match prog_load(insns, name, None) {
        // Before Linux 5.11 programs count against RLIMIT_MEMLOCK, which says EPERM too.
        Err(Errno::EPERM) if raise_memlock() => prog_load(insns, name, None),
        outcome => outcome,
    };
    let fd = fd.map_err(|errno| match errno {
        Errno::EPERM => LoadError::Permission(errno),
        // Its log says no more, and takes as long again for each size that is tried.
        Errno::E2BIG if insns.len() > ALWAYS_LOOKED_AT => {
            LoadError::TooComplex { insns: insns.len() }
        }
        errno => LoadError::Rejected { errno, log: telling_lines(&verifier_log(insns, name)) },
    })?;
    let id = Program::of(fd.as_fd())?.id;
    Ok(Loaded { fd, id })
}

fn prog_load(insns: &[Insn], name: &str, log: Option<&mut [u8]>) -> nix::Result<OwnedFd> {
    sys::prog_load(insns, LICENSE, object_name(name), log)
}

/// A path as the kernel takes it.
pub(super) fn c_path(path: &Path) -> nix::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// A name as the kernel takes it: 15 bytes at most, and a NUL.
pub(super) fn object_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// Whether there is more to lock now: without CAP_SYS_RESOURCE the hard limit stays.
pub(super) fn raise_memlock() -> bool {
    let limit = Resource::RLIMIT_MEMLOCK;
    let Ok((soft, hard)) = getrlimit(limit) else { return false };
    setrlimit(limit, rlim_t::MAX, rlim_t::MAX).is_ok()
        || (soft < hard && setrlimit(limit, hard, hard).is_ok())
}

/// The log of loading the program once more, in a buffer that grows until it fits.
fn verifier_log(insns: &[Insn], name: &str) -> Vec<u8> {
    let mut size = FIRST_LOG;
    loop {
        let mut log = vec![0; size];
        let outcome = prog_load(insns, name, Some(&mut log));
        if !matches!(outcome, Err(Errno::ENOSPC)) || size == LAST_LOG {
            return log;
        }
        size = (size * 4).min(LAST_LOG);
    }
}

/// The log's last lines but for its statistics: where the verifier stopped and why.
fn telling_lines(log: &[u8]) -> String {
    let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let statistics = ["processed ", "verification time", "stack depth", "peak_states", "mark_read"];
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !statistics.iter().any(|word| line.starts_with(word)))
        .collect();
    match lines.len() {
        0 => "the verifier said nothing".to_owned(),
        count => lines[count.saturating_sub(3)..].join("; "),
    }
}

#[cfg(test)]
mod tests;
