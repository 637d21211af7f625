//! Taking a program off a cgroup so that it can be put back.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::program::{DetachError, ProgId};
use super::query::{AttachFlags, query};
use super::sys;

/// Attempts to detach a program while others keep changing the list.
const ATTEMPTS: u32 = 32;

/// A program that was taken off a cgroup. It stays in the kernel for as long as this does.
#[derive(Debug)]
pub struct TakenOff {
    id: ProgId,
    program: OwnedFd,
    flags: AttachFlags,
}

/// Takes the program with this id off the cgroup behind the descriptor. `None` if it is gone, or
/// is not attached there.
///
/// # Errors
/// The program is still attached, and why.
pub fn take_off(cgroup: BorrowedFd<'_>, id: ProgId) -> Result<Option<TakenOff>, DetachError> {
    let program = match id.open() {
        Ok(program) => program,
        // An error is no proof: what is attached is listed.
        Err(Errno::ENOENT) if !query(cgroup)?.ids.contains(&id) => return Ok(None),
        Err(errno) => return Err(DetachError::Open { id, errno }),
    };
    for _ in 0..ATTEMPTS {
        let attached = query(cgroup)?;
        // The kernel takes an exclusive or override program off whichever program is named.
        if !attached.ids.contains(&id) {
            return Ok(None);
        }
        match sys::prog_detach(cgroup, program.as_fd(), attached.revision.unwrap_or(0)) {
            Ok(()) => return Ok(Some(TakenOff { id, program, flags: attached.flags })),
            Err(Errno::ESTALE) => {}
            Err(Errno::ENOENT) if query(cgroup)?.ids.contains(&id) => {
                return Err(DetachError::Link { id });
            }
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(DetachError::Detach { id, errno }),
        }
    }
    Err(DetachError::Detach { id, errno: Errno::ESTALE })
}

impl TakenOff {
    /// The program.
    pub fn id(&self) -> ProgId {
        self.id
    }

    /// Attaches it to the cgroup again, as it was attached. One that is there is left as it is.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn put_back(&self, cgroup: BorrowedFd<'_>) -> Result<(), Errno> {
        match sys::prog_attach(cgroup, self.program.as_fd(), self.flags.bits(), None, 0) {
            // The same program twice (cgroup_attach_prog).
            Err(Errno::EINVAL) => Ok(()),
            result => result,
        }
    }
}
