//! The flow: from a container's state and rules to its program, seen attached.

mod annotations;
mod log;
mod rootless;

pub use annotations::{Annotated, AnnotationError};
pub(crate) use log::chain;
pub use log::{Log, LogError, LogFormat, Record};
pub use rootless::in_user_namespace;

use std::os::fd::AsFd;
use std::path::PathBuf;

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError, Process, Refusal};
use crate::compile::{CompileError, compile};
use crate::kernel::{
    AboveError, AttachError, AttachFlags, Attached, Attachment, DirectAttach, LoadError,
    NotRestored, Outcome, ProgId, QueryError, load, query,
};
use crate::oci::{OciError, State};
use crate::policy::Policy;
use crate::verify::{Verified, VerifyError, verify};

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

/// A policy and the program that is proven to be it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The rules, defaults merged in.
    pub policy: Policy,
    /// The program.
    pub verified: Verified,
}

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

/// The policy of a config's rules, with its proven program.
///
/// # Errors
/// The policy is too large for the kernel.
pub fn prepare(policy: Policy) -> Result<Prepared, PrepareError> {
    let verified = verify(compile(&policy)?, &policy)?;
    Ok(Prepared { policy, verified })
}

/// Makes the cgroup's own device program `verified`, in place of the stale ones.
///
/// # Errors
/// What was attached before is attached still, or the error tells what differs.
pub fn enforce(
    cgroup: &Cgroup,
    verified: &Verified,
    how: DirectAttach,
) -> Result<Outcome, EnforceError> {
    enforce_if(cgroup, verified, how, || Ok(()))
}

/// As [`enforce`], and undone unless `check` succeeds afterwards.
fn enforce_if(
    cgroup: &Cgroup,
    verified: &Verified,
    how: DirectAttach,
    check: impl FnOnce() -> Result<(), EnforceError>,
) -> Result<Outcome, EnforceError> {
    cgroup.guard()?;
    let program = load(verified)?;
    let above = || nearest_above(cgroup);
    let attachment = how.attach(cgroup.as_fd(), &program, &above);
    let attachment = attachment.map_err(|source| explain(cgroup, source))?;
    match check() {
        Ok(()) => Ok(attachment.keep()),
        Err(cause) => Err(undone(cgroup, attachment, cause)),
    }
}

fn undone(cgroup: &Cgroup, attachment: Attachment<'_>, cause: EnforceError) -> EnforceError {
    match attachment.undo() {
        Ok(()) => cause,
        Err(state) => {
            let (cgroup, cause) = (cgroup.path().to_owned(), Box::new(cause));
            EnforceError::NotUndone { cgroup, state, cause }
        }
    }
}

/// The nearest cgroup above that has programs, as far up as a mount shows them.
fn nearest_above(cgroup: &Cgroup) -> Result<Option<(PathBuf, Attached)>, AboveError> {
    let mut next = cgroup.parent()?;
    while let Some(ancestor) = next {
        let attached = query(ancestor.as_fd())?;
        if !attached.ids.is_empty() {
            return Ok(Some((ancestor.path().to_owned(), attached)));
        }
        next = ancestor.parent()?;
    }
    Ok(None)
}

/// An ancestor's exclusive program is why the kernel says EPERM to one who has the right.
fn explain(cgroup: &Cgroup, source: AttachError) -> EnforceError {
    if let AttachError::Permission(_) = source
        && let Some((ancestor, id)) = exclusive_ancestor(cgroup)
    {
        return EnforceError::ExclusiveAncestor { cgroup: cgroup.path().to_owned(), ancestor, id };
    }
    EnforceError::Attach { cgroup: cgroup.path().to_owned(), source }
}

fn exclusive_ancestor(cgroup: &Cgroup) -> Option<(PathBuf, ProgId)> {
    let (ancestor, attached) = nearest_above(cgroup).ok()??;
    let id = attached.single().filter(|_| attached.flags == AttachFlags::EXCLUSIVE)?;
    Some((ancestor, id))
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

impl EnforceError {
    /// Whether the kernel said that there is no right to.
    fn is_permission(&self) -> bool {
        use nix::errno::Errno;
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
