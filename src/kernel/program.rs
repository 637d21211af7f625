//! Programs by their id: what they are, and detaching them.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use thiserror::Error;

use super::load::OBSERVER_NAME;
use super::query::QueryError;
use super::sys;
use super::take_off::take_off;
use crate::bpf::Insn;

/// The kernel's id of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgId(u32);

impl ProgId {
    /// The id with this number.
    pub const fn new(number: u32) -> ProgId {
        ProgId(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// A descriptor of the program, which keeps it in the kernel.
    ///
    /// # Errors
    /// ENOENT if it is gone; EPERM without CAP_SYS_ADMIN.
    pub(super) fn open(self) -> nix::Result<OwnedFd> {
        sys::prog_fd_by_id(self.0)
    }
}

impl fmt::Display for ProgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the kernel tells of a program (`struct bpf_prog_info`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Id.
    pub id: ProgId,
    /// Name, as whoever loaded it chose it; may be empty.
    pub name: String,
    /// A hash of its instructions.
    pub tag: [u8; 8],
    /// When it was loaded, from boot on (suspends included).
    pub load_time: Duration,
    /// Who loaded it.
    pub uid: u32,
    /// How many instructions it has.
    pub insn_count: usize,
}

/// Why a program can't be described.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// It is gone, or may not be opened.
    #[error("program {id} can't be opened: {errno}")]
    Open {
        /// The program.
        id: ProgId,
        /// Why: ENOENT if it is gone.
        errno: Errno,
    },
    /// The kernel would not tell: ENOMEM for instructions of more than 4 MiB (Linux 6.18).
    #[error("a program can't be described: {0}")]
    Info(Errno),
    /// Its constants are blinded, and addresses are nobody's to see.
    #[error(
        "program {id}: the kernel keeps its instructions to itself (net.core.bpf_jit_harden, \
         kernel.kptr_restrict)"
    )]
    Hidden {
        /// The program.
        id: ProgId,
    },
}

impl ProgramError {
    /// Whether there is no such program, or not any more.
    pub fn is_gone(&self) -> bool {
        matches!(self, ProgramError::Open { errno: Errno::ENOENT, .. })
    }
}

impl Program {
    /// The program with this id.
    ///
    /// # Errors
    /// [`ProgramError::Open`] if it is gone or CAP_SYS_ADMIN is missing.
    pub fn by_id(id: ProgId) -> Result<Program, ProgramError> {
        let fd = id.open().map_err(|errno| ProgramError::Open { id, errno })?;
        Program::of(fd.as_fd())
    }

    pub(super) fn of(fd: BorrowedFd<'_>) -> Result<Program, ProgramError> {
        let info = sys::prog_info(fd, &mut []).map_err(ProgramError::Info)?;
        let name = info.name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Program {
            id: ProgId(info.id),
            name: String::from_utf8_lossy(name).into_owned(),
            tag: info.tag,
            load_time: Duration::from_nanos(info.load_time),
            uid: info.created_by_uid,
            insn_count: info.xlated_prog_len as usize / Insn::SIZE,
        })
    }

    /// Its instructions, as the verifier left them.
    ///
    /// # Errors
    /// As for [`Program::by_id`]; without CAP_BPF and CAP_PERFMON there are none to see.
    pub fn insns(&self) -> Result<Vec<Insn>, ProgramError> {
        let id = self.id;
        let fd = id.open().map_err(|errno| ProgramError::Open { id, errno })?;
        let mut insns = vec![Insn::from_bytes([0; Insn::SIZE]); self.insn_count];
        let info = sys::prog_info(fd.as_fd(), &mut insns).map_err(ProgramError::Info)?;
        // The kernel takes the address out if it wrote nothing there (bpf_prog_get_info_by_fd).
        if !insns.is_empty() && info.xlated_prog_insns == 0 {
            return Err(ProgramError::Hidden { id });
        }
        insns.truncate(info.xlated_prog_len as usize / Insn::SIZE);
        Ok(insns)
    }

    /// Whether it has the name of an observer. devgate alone gives it, and to programs that are
    /// proven to allow everything: so it is what is left to go by where the kernel hides what
    /// programs do.
    pub fn is_named_observer(&self) -> bool {
        self.name == OBSERVER_NAME
    }

    /// The tag as the kernel prints it: 16 hexadecimal digits.
    pub fn tag_text(&self) -> String {
        self.tag.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Why a program is still attached.
#[derive(Debug, Error)]
pub enum DetachError {
    /// It may not be opened.
    #[error("program {id} can't be opened: {errno}")]
    Open {
        /// The program.
        id: ProgId,
        /// Why.
        errno: Errno,
    },
    /// A bpf_link holds it: only the link's owner can detach it.
    #[error("program {id} is held by a bpf_link, which only its owner can detach")]
    Link {
        /// The program.
        id: ProgId,
    },
    /// The kernel would not detach it.
    #[error("program {id} can't be detached: {errno}")]
    Detach {
        /// The program.
        id: ProgId,
        /// Why.
        errno: Errno,
    },
    /// What is attached can't be listed.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Detaches the program with this id from the cgroup behind the descriptor. One that is gone,
/// or is not attached there, is success: `Ok(false)`.
///
/// # Errors
/// The program is still attached, and why.
pub fn detach(cgroup: BorrowedFd<'_>, id: ProgId) -> Result<bool, DetachError> {
    take_off(cgroup, id).map(|taken| taken.is_some())
}
