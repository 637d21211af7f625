//! A cgroup's list of programs: all that a replacement does to it. A trait, so that the
//! algorithm also runs against a model in which every call can fail.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::program::{ProgId, Program};
use super::query::{AttachFlags, Attached, QueryError, query, query_effective};
use super::sys;
use crate::bpf::Insn;

/// In place of the program that is named.
pub(super) const BPF_F_REPLACE: u32 = 4;

/// How a program joins the list.
#[derive(Debug)]
pub(super) enum Joining<'a, P> {
    /// On an empty list, or beside the others of a multi list. On a list for a single program
    /// (exclusive, override), attaching with that list's flags replaces the program.
    With(AttachFlags),
    /// In place of this program of a multi list.
    InPlaceOf(&'a P),
}

/// A revision is a condition where it is given: ESTALE if the list has another one.
pub(super) trait List {
    /// A program that is held open.
    type Program;

    fn look(&self) -> Result<Attached, QueryError>;
    fn effective(&self) -> Result<Vec<ProgId>, QueryError>;
    fn open(&self, id: ProgId) -> nix::Result<Self::Program>;
    /// `None` if it can't be told.
    fn name(&self, program: &Self::Program) -> Option<String>;
    /// `None` if they can't be told.
    fn insns(&self, id: ProgId) -> Option<Vec<Insn>>;
    fn attach(
        &self,
        program: &Self::Program,
        joining: Joining<'_, Self::Program>,
        revision: Option<u64>,
    ) -> nix::Result<()>;
    /// On a list for a single program, the kernel takes that off whichever program is named.
    fn detach(&self, program: &Self::Program, revision: Option<u64>) -> nix::Result<()>;
}

/// The list of a real cgroup.
#[derive(Clone, Copy, Debug)]
pub(super) struct CgroupList<'a>(pub BorrowedFd<'a>);

impl List for CgroupList<'_> {
    type Program = OwnedFd;

    fn look(&self) -> Result<Attached, QueryError> {
        query(self.0)
    }

    fn effective(&self) -> Result<Vec<ProgId>, QueryError> {
        query_effective(self.0)
    }

    fn open(&self, id: ProgId) -> nix::Result<OwnedFd> {
        id.open()
    }

    fn name(&self, program: &OwnedFd) -> Option<String> {
        Program::of(program.as_fd()).ok().map(|program| program.name)
    }

    fn insns(&self, id: ProgId) -> Option<Vec<Insn>> {
        Program::by_id(id).and_then(|program| program.insns()).ok()
    }

    fn attach(
        &self,
        program: &OwnedFd,
        joining: Joining<'_, OwnedFd>,
        revision: Option<u64>,
    ) -> nix::Result<()> {
        let (flags, replace) = match joining {
            Joining::With(flags) => (flags.bits(), None),
            Joining::InPlaceOf(other) => {
                (AttachFlags::MULTI.bits() | BPF_F_REPLACE, Some(other.as_fd()))
            }
        };
        sys::prog_attach(self.0, program.as_fd(), flags, replace, revision.unwrap_or(0))
    }

    fn detach(&self, program: &OwnedFd, revision: Option<u64>) -> nix::Result<()> {
        sys::prog_detach(self.0, program.as_fd(), revision.unwrap_or(0))
    }
}
