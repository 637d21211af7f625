//! Why a program is not attached, and what is attached then.

use std::fmt;

use nix::errno::Errno;
use thiserror::Error;

use super::above::AboveError;
use super::attach::{LeftReason, Overridden};
use super::lock::LOCK_WAIT;
use super::program::ProgId;
use super::query::{AttachFlags, QueryError};
use super::retval::RetvalReason;
use super::undo::{Ids, without};

/// Why the new program is not attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Another devgate is at work on the cgroup.
    #[error("another devgate kept the cgroup locked for {} s", LOCK_WAIT.as_secs())]
    Locked,
    /// What is attached can't be listed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The kernel would not attach it: no right to, or a program of an ancestor is exclusive.
    #[error("no permission to attach a program")]
    Permission(#[source] Errno),
    /// A program that is to stay tolerates no other.
    #[error("program {id} was attached as {flags}, which leaves no room for another")]
    Exclusive {
        /// The program.
        id: ProgId,
        /// How it was attached.
        flags: AttachFlags,
    },
    /// A program that tolerates no other should give way, and can't be replaced.
    #[error(
        "program {id} was attached as {flags}, which leaves no room for another, and it {reason}"
    )]
    SingleLeft {
        /// The program.
        id: ProgId,
        /// How it was attached.
        flags: AttachFlags,
        /// Why it can't be replaced.
        reason: LeftReason,
    },
    /// The stale program gives way only to another override program.
    #[error(
        "program {id} was attached as override, and the kernel replaces it only by another \
         override program, which a program of a cgroup below would take out of force; detach it \
         first (`devgate detach`), which leaves the cgroup without a program until then"
    )]
    Override {
        /// The program.
        id: ProgId,
    },
    /// An override program of a cgroup above would be in force no more.
    #[error("{0}; --override-ancestor replace attaches the program nevertheless")]
    Overrides(Overridden),
    /// It can't be told whether a program of a cgroup above would be in force no more.
    #[error("the device programs of the cgroups above can't be listed")]
    Above(#[source] AboveError),
    /// The kernel's limit on programs of one cgroup.
    #[error(
        "the cgroup has {count} device programs already and the kernel takes no more; none that \
         may go is the same as another, so none can be taken off first without allowing more"
    )]
    TooMany {
        /// Programs attached.
        count: usize,
    },
    /// The kernel would not attach it, for another reason.
    #[error("the program can't be attached")]
    Attach(#[source] Errno),
    /// A program that runs after the new one could allow what that one denies.
    #[error("program {id} runs after the new one and may set the return value: {reason}")]
    Retval {
        /// The program.
        id: ProgId,
        /// Why it may.
        reason: RetvalReason,
    },
    /// Somebody else kept changing what is attached.
    #[error("others changed the attached programs {rounds} times in a row")]
    Contended {
        /// Rounds made.
        rounds: usize,
    },
    /// It failed, and not all of it was undone.
    #[error("{state}; this is what failed")]
    NotUndone {
        /// How the list differs.
        state: NotRestored,
        /// Why it failed.
        #[source]
        cause: Box<AttachError>,
    },
}

/// How a list differs from what it was before. No program of before is missing without the new
/// one being there, unless somebody else took it off.
#[derive(Debug)]
pub enum NotRestored {
    /// It was listed.
    Differs {
        /// Programs attached before.
        before: Vec<ProgId>,
        /// Programs attached now.
        now: Vec<ProgId>,
    },
    /// It can't be listed.
    Unknown {
        /// Programs attached before.
        before: Vec<ProgId>,
        /// Those of them that were taken off and not put back.
        missing: Vec<ProgId>,
        /// The new program, which was not taken off.
        added: Option<ProgId>,
        /// Why it can't be listed.
        query: QueryError,
    },
}

impl fmt::Display for NotRestored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotRestored::Differs { before, now } => {
                let (missing, added) = (without(before, now), without(now, before));
                write!(
                    f,
                    "the attached programs are not those of before: missing {}",
                    Ids(&missing)
                )?;
                write!(f, "; added {}; attached now {}", Ids(&added), Ids(now))
            }
            NotRestored::Unknown { before, missing, added, query } => {
                write!(f, "what is attached now can't be told: {query}")?;
                if let QueryError::Query(errno) = query {
                    write!(f, " ({errno})")?;
                }
                write!(f, "; attached before {}; not put back {}", Ids(before), Ids(missing))?;
                write!(f, "; not taken off {}", Ids(added.as_slice()))
            }
        }
    }
}
