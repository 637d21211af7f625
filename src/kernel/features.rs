//! What a kernel can do beyond loading programs, asked of itself: distributions port features back,
//! so its release does not tell.
//!
//! A call that asks for the feature, and names neither program nor cgroup, is refused in any
//! case; with which error tells. A kernel without the feature refuses the call's form (EINVAL, or
//! ENOSYS for a whole system call), one with it goes on and misses the program (EBADF). So nothing
//! is made or attached in order to ask, and no right is needed on most kernels.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::list::BPF_F_REPLACE;
use super::load::Loaded;
use super::program::ProgramError;
use super::query::AttachFlags;
use super::sys;

/// Something that kernels have from some release on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// pidfd_open(2).
    PidfdOpen,
    /// BPF_F_REPLACE: a program takes another's place in one step.
    Replace,
    /// `expected_revision`: a change is made only to the list of programs that was looked at.
    ExpectedRevision,
    /// BPF_LINK_CREATE: a program that only its owner can detach.
    Link,
}

/// Whether there is such a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// There is.
    Present,
    /// There is not.
    Absent,
    /// The kernel would not even look at the question.
    Unknown(Errno),
}

impl Feature {
    /// Asks the running kernel. Nothing is changed by it.
    pub fn probe(self) -> Support {
        let multi = AttachFlags::MULTI.bits();
        support(match self {
            Feature::PidfdOpen => sys::pidfd_open(nix::unistd::getpid().as_raw()).map(drop),
            Feature::Replace => sys::probe::attach_nothing(multi | BPF_F_REPLACE, 0),
            Feature::ExpectedRevision => sys::probe::attach_nothing(multi, 1),
            Feature::Link => sys::probe::link_nothing(),
        })
    }
}

fn support(answer: nix::Result<()>) -> Support {
    match answer {
        Ok(()) | Err(Errno::EBADF) => Support::Present,
        Err(Errno::EINVAL | Errno::ENOSYS) => Support::Absent,
        Err(errno) => Support::Unknown(errno),
    }
}

/// Whether the kernel made machine code of a program. Otherwise it interprets it.
///
/// # Errors
/// The kernel would not tell.
pub fn is_jited(program: &Loaded) -> Result<bool, ProgramError> {
    let info = sys::prog_info(program.as_fd(), &mut []).map_err(ProgramError::Info)?;
    Ok(info.jited_prog_len != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_misses_the_program_knows_the_feature() {
        assert_eq!(support(Err(Errno::EBADF)), Support::Present);
        assert_eq!(support(Err(Errno::EINVAL)), Support::Absent);
        assert_eq!(support(Err(Errno::ENOSYS)), Support::Absent);
        assert_eq!(support(Err(Errno::EPERM)), Support::Unknown(Errno::EPERM));
    }

    /// The form of the question is what is refused: no kernel knows this flag.
    #[test]
    fn an_unknown_flag_is_absent() {
        assert_eq!(support(sys::probe::attach_nothing(1 << 30, 0)), Support::Absent);
    }
}
