//! Why a policy is not in force.

use std::error::Error;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

use crate::cgroup::{CgroupError, Refusal};
use crate::compile::CompileError;
use crate::hold::HoldError;
use crate::kernel::{AttachError, LoadError, NotRestored, ProgId, QueryError, RetvalReason};
use crate::unit::{self, Other, UnitError};
use crate::verify::VerifyError;

/// Why a policy has no proven program.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// It has no program.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Its program is not proven: a mistake in devgate.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Why a cgroup's devices are not as the policy says.
#[derive(Debug, Error)]
pub enum EnforceError {
    /// The cgroup is none to touch.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The program can't be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The program can't be attached.
    #[error("cgroup {}", cgroup.display())]
    Attach {
        /// The cgroup.
        cgroup: PathBuf,
        /// Why.
        source: AttachError,
    },
    /// A program above the cgroup lets none below it be.
    #[error(
        "cgroup {}: program {id} on {} is exclusive and lets no cgroup below it have one",
        cgroup.display(), ancestor.display()
    )]
    ExclusiveAncestor {
        /// The cgroup.
        cgroup: PathBuf,
        /// The cgroup above it.
        ancestor: PathBuf,
        /// The program there.
        id: ProgId,
    },
    /// The container's process died or was moved while the program was attached. What was
    /// attached before is attached again.
    #[error(transparent)]
    Process(#[from] CgroupError),
    /// It failed once the program was attached, and not all of it was undone.
    #[error("cgroup {}: {state}; this is what failed", cgroup.display())]
    NotUndone {
        /// The cgroup.
        cgroup: PathBuf,
        /// How it differs from what it was.
        state: NotRestored,
        /// Why it failed.
        #[source]
        cause: Box<EnforceError>,
    },
    /// What comes after the program failed. What was attached before is attached again.
    #[error(transparent)]
    Abandoned(Box<dyn Error + Send + Sync>),
    /// It failed once a link held the program, and the link could not be restored.
    #[error(
        "cgroup {}: its link may hold the new program still, beside which the old ones are not attached \
         again ({state}); this is what failed",
        cgroup.display()
    )]
    LinkNotRestored {
        /// The cgroup.
        cgroup: PathBuf,
        /// Why the link could not be restored.
        state: String,
        /// Why it failed.
        #[source]
        cause: Box<EnforceError>,
    },
    /// A program that runs after ours could allow what ours denies.
    #[error(
        "cgroup {}: program {id} on {} runs after devgate's and may set the return value, so it \
         could allow what is denied ({reason}); detach it, or accept it with --retval-programs allow",
        cgroup.display(),
        holder.as_ref().map_or("a cgroup that can't be seen".into(), |dir| dir.to_string_lossy())
    )]
    Retval {
        /// The cgroup.
        cgroup: PathBuf,
        /// The cgroup that the program is attached to, if it is seen.
        holder: Option<PathBuf>,
        /// The program.
        id: ProgId,
        /// Why it may set the return value.
        reason: RetvalReason,
    },
    /// The link that holds the cgroup's policy does not hold the new one, or could not be removed.
    #[error("cgroup {}", cgroup.display())]
    Hold {
        /// The cgroup.
        cgroup: PathBuf,
        /// Why.
        source: HoldError,
    },
    /// The container's unit can't be devgate's alone, and --unit require was given.
    #[error("devgate's policy would not be the unit's only gate (--unit require)")]
    Unit(#[source] UnitError),
    /// Another program decides too, and --unit require was given.
    #[error(
        "devgate's policy is not the only gate of unit {unit} (--unit require): {}",
        list(others)
    )]
    NotSole {
        /// The unit.
        unit: String,
        /// The other programs.
        others: Vec<Other>,
    },
    /// It failed once the unit was changed, and not all of that was undone.
    #[error("{state}; this is what failed")]
    UnitNotUndone {
        /// How the unit differs from what it was.
        state: unit::NotRestored,
        /// Why it failed.
        #[source]
        cause: Box<EnforceError>,
    },
}

fn list(others: &[Other]) -> String {
    let texts: Vec<String> = others.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl EnforceError {
    /// Whether the kernel said that there is no right to.
    pub(crate) fn is_permission(&self) -> bool {
        match self {
            EnforceError::Load(LoadError::Permission(_)) => true,
            EnforceError::Attach { source, .. } => matches!(
                source,
                AttachError::Permission(_) | AttachError::Query(QueryError::Query(Errno::EPERM))
            ),
            _ => false,
        }
    }
}
