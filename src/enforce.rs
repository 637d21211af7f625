//! From a policy to its proven program, seen attached: what the hook, `apply` and `demo` share.

use std::error::Error;
use std::os::fd::AsFd;
use std::path::PathBuf;

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError, Refusal};
use crate::compile::{CompileError, compile};
use crate::kernel::{
    AboveError, AttachError, AttachFlags, Attached, Attachment, DirectAttach, LoadError,
    NotRestored, Outcome, ProgId, QueryError, RetvalReason, load, query,
};
use crate::policy::Policy;
use crate::verify::{Verified, VerifyError, verify};

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
    /// What comes after the program failed. What was attached before is attached again.
    #[error(transparent)]
    Abandoned(Box<dyn Error + Send + Sync>),
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
pub(crate) fn enforce_if(
    cgroup: &Cgroup,
    verified: &Verified,
    how: DirectAttach,
    check: impl FnOnce() -> Result<(), EnforceError>,
) -> Result<Outcome, EnforceError> {
    enforce_then(cgroup, verified, how, |_| check())
}

/// As [`enforce`], and undone unless `then`, given the program, goes well once it is in force.
pub(crate) fn enforce_then(
    cgroup: &Cgroup,
    verified: &Verified,
    how: DirectAttach,
    then: impl FnOnce(ProgId) -> Result<(), EnforceError>,
) -> Result<Outcome, EnforceError> {
    cgroup.guard()?;
    let program = load(verified)?;
    let above = || nearest_above(cgroup);
    let attachment = how.attach(cgroup.as_fd(), &program, &above);
    let attachment = attachment.map_err(|source| explain(cgroup, source))?;
    match then(program.id()) {
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

/// The kernel speaks of programs; which cgroup of the hierarchy has one is found here. An
/// ancestor's exclusive program is why it says EPERM to one who has the right.
fn explain(cgroup: &Cgroup, source: AttachError) -> EnforceError {
    let path = || cgroup.path().to_owned();
    let above = |wanted: &dyn Fn(&Attached) -> bool| {
        cgroup.parent().ok().and_then(|parent| upwards(parent, wanted).ok()?)
    };
    match source {
        AttachError::Permission(_) => {
            let exclusive = above(&|attached| attached.flags == AttachFlags::EXCLUSIVE);
            match exclusive.and_then(|(dir, attached)| Some((dir, attached.single()?))) {
                Some((ancestor, id)) => {
                    EnforceError::ExclusiveAncestor { cgroup: path(), ancestor, id }
                }
                None => EnforceError::Attach { cgroup: path(), source },
            }
        }
        AttachError::Retval { id, reason } => {
            let holds = |attached: &Attached| attached.ids.contains(&id);
            let own = query(cgroup.as_fd()).is_ok_and(|attached| holds(&attached));
            let holder = if own { Some(path()) } else { above(&holds).map(|(dir, _)| dir) };
            EnforceError::Retval { cgroup: path(), holder, id, reason }
        }
        source => EnforceError::Attach { cgroup: path(), source },
    }
}

/// The nearest cgroup above that has programs, as far up as a mount shows them.
fn nearest_above(cgroup: &Cgroup) -> Result<Option<(PathBuf, Attached)>, AboveError> {
    upwards(cgroup.parent()?, |_| true)
}

/// The first cgroup from `next` on upwards whose programs are like this, with them.
fn upwards(
    mut next: Option<Cgroup>,
    wanted: impl Fn(&Attached) -> bool,
) -> Result<Option<(PathBuf, Attached)>, AboveError> {
    while let Some(cgroup) = next {
        let attached = query(cgroup.as_fd())?;
        if !attached.ids.is_empty() && wanted(&attached) {
            return Ok(Some((cgroup.path().to_owned(), attached)));
        }
        next = cgroup.parent()?;
    }
    Ok(None)
}

impl EnforceError {
    /// Whether the kernel said that there is no right to.
    pub(crate) fn is_permission(&self) -> bool {
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
