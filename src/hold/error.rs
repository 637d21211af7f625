//! Why a policy is not held.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

use crate::bpffs::PinDirError;
use crate::cgroup::CgroupError;
use crate::kernel::ProgId;

/// Why a policy is not held by a link.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HoldError {
    /// The directory of pins can't be used.
    #[error(transparent)]
    Directory(#[from] PinDirError),
    /// The kernel does not create the link.
    #[error("program {program} cannot be linked to the cgroup")]
    Link {
        /// The program.
        program: ProgId,
        /// Why: EINVAL before Linux 5.7; EPERM without the right to, or beside an exclusive program.
        #[source]
        errno: Errno,
    },
    /// The link cannot be pinned.
    #[error("the link cannot be pinned as {}", path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// The pin cannot be opened or described.
    #[error("pin {} cannot be read", path.display())]
    Read {
        /// The pin.
        path: PathBuf,
        /// Why: EINVAL if it is not a link of a device program.
        #[source]
        errno: Errno,
    },
    /// The pin belongs to another cgroup than its name says.
    #[error("pin {} holds cgroup {found}, not cgroup {expected}", path.display())]
    OtherCgroup {
        /// The pin.
        path: PathBuf,
        /// The id of the cgroup that it is named by.
        expected: u64,
        /// The id of the cgroup that it holds.
        found: u64,
    },
    /// The link does not take the new program.
    #[error("link {} cannot be changed to program {program}", path.display())]
    Update {
        /// The pin.
        path: PathBuf,
        /// The new program.
        program: ProgId,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// Another process kept changing the link.
    #[error("others changed link {} {rounds} times in a row", path.display())]
    Contended {
        /// The pin.
        path: PathBuf,
        /// Rounds made.
        rounds: usize,
    },
    /// The link cannot be taken off its cgroup.
    #[error("link {} cannot be taken off its cgroup", path.display())]
    Detach {
        /// The pin.
        path: PathBuf,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// The pin cannot be removed.
    #[error("pin {} cannot be removed", path.display())]
    Remove {
        /// The pin.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cgroup's id cannot be read.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}
