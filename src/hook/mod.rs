//! The flow: from a container's state and rules to its program, seen attached.

mod annotations;
mod log;
mod rootless;

pub use annotations::{Annotated, AnnotationError};
pub(crate) use log::chain;
pub use log::{Log, LogError, LogFormat, Record};
pub use rootless::in_user_namespace;

use std::path::PathBuf;

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError, Process};
use crate::enforce::{EnforceError, PrepareError, enforce_if, prepare};
use crate::kernel::{DirectAttach, Outcome};
use crate::oci::{OciError, State};
use crate::policy::Policy;

/// What to do in a user namespace, where the kernel loads no device programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rootless {
    /// Let the container start without a program of ours, and say so, as runc and crun do.
    #[default]
    Warn,
    /// Fail.
    Fail,
}

/// A hook's options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How the program is attached.
    pub attach: DirectAttach,
    /// What to do in a user namespace.
    pub rootless: Rootless,
}

/// Why a container is not to start.
#[derive(Debug, Error)]
pub enum HookError {
    /// Its state is malformed.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// It asks for what it can't have.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// The log that it asks for can't be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its policy has no proven program.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Its cgroup can't be told.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The program is not attached.
    #[error(transparent)]
    Enforce(#[from] EnforceError),
}

/// What a hook's run came to.
#[derive(Debug)]
pub enum Enforced {
    /// The program was seen attached.
    Attached {
        /// The container's cgroup.
        cgroup: PathBuf,
        /// The program, and what gave way to it.
        outcome: Outcome,
        /// Its instructions.
        insns: usize,
    },
    /// In a user namespace: the container starts without a program of ours.
    Skipped {
        /// What the kernel would not do.
        cause: EnforceError,
    },
}

/// The hook: enforces the policy on the cgroup of the container's process.
///
/// # Errors
/// The container must not start; what was attached before is attached still, or the error tells
/// what differs.
pub fn run(state: &State, policy: Policy, options: Options) -> Result<Enforced, HookError> {
    let pid = state.pid()?;
    let prepared = prepare(policy)?;
    let process = Process::pin(pid).map_err(CgroupError::from)?;
    let cgroup = Cgroup::of(&process)?;
    let insns = prepared.verified.program().insns().len();
    // It can be moved while the program is attached.
    let stays = || Ok(cgroup.has(&process)?);
    match enforce_if(&cgroup, &prepared.verified, options.attach, stays) {
        Ok(outcome) => Ok(Enforced::Attached { cgroup: cgroup.path().to_owned(), outcome, insns }),
        Err(cause)
            if options.rootless == Rootless::Warn
                && rootless::explains(&cause)
                // If that can't be told, it is a failure.
                && in_user_namespace().is_ok_and(|inside| inside) =>
        {
            Ok(Enforced::Skipped { cause })
        }
        Err(error) => Err(error.into()),
    }
}
