//! From a policy to its proven program, seen attached and held: what the hook, `apply` and `demo`
//! share.

mod error;

pub use error::{EnforceError, PrepareError};

use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::cgroup::Cgroup;
use crate::compile::compile;
use crate::hold::{HoldMode, Holding, hold};
use crate::kernel::{
    AboveError, AttachError, AttachFlags, Attached, Attachment, DetachError, DirectAttach,
    LeftReason, Loaded, Outcome, ProgId, detach, load, query,
};
use crate::policy::Policy;
use crate::verify::{Verified, verify};

/// A policy and the program that is proven to be it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The rules, defaults merged in.
    pub policy: Policy,
    /// The program.
    pub verified: Verified,
}

/// How a program is attached, and how it stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnforceOptions {
    /// How it is attached to the cgroup's own list.
    pub attach: DirectAttach,
    /// Whether a bpf_link holds it besides.
    pub hold: HoldMode,
}

impl EnforceOptions {
    /// Without a link: in the cgroup's own list alone.
    pub fn directly(attach: DirectAttach) -> EnforceOptions {
        EnforceOptions { attach, hold: HoldMode::No }
    }
}

/// A policy in force.
#[derive(Debug)]
pub struct InForce {
    /// The program in the cgroup's own list, and what gave way to it.
    pub outcome: Outcome,
    /// What holds it besides.
    pub holding: Holding,
}

impl InForce {
    fn new(cgroup: &Cgroup, mut outcome: Outcome, holding: Holding) -> InForce {
        if let Some(before) = holding.before() {
            settle(cgroup, &mut outcome, before);
        }
        InForce { outcome, holding }
    }

    /// What the operator should know, besides the programs that are left.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.outcome.warnings();
        warnings.extend(self.holding.warning());
        warnings
    }
}

/// The policy of a config's rules, with its proven program.
///
/// # Errors
/// The policy is too large for the kernel.
pub fn prepare(policy: Policy) -> Result<Prepared, PrepareError> {
    let verified = verify(compile(&policy)?, &policy)?;
    Ok(Prepared { policy, verified })
}

/// Makes the cgroup's own device program `verified`, in place of the stale ones, and has a link
/// hold it.
///
/// Where a link holds an older program, the copy in the cgroup's list is replaced first: until the
/// link has the new one, both policies must allow a request.
///
/// # Errors
/// What was attached before is attached still, or the error tells what differs.
pub fn enforce(
    cgroup: &Cgroup,
    verified: &Verified,
    options: EnforceOptions,
) -> Result<InForce, EnforceError> {
    enforce_if(cgroup, verified, options, || Ok(()))
}

/// As [`enforce`], and undone unless `check` succeeds once the program is attached.
pub(crate) fn enforce_if(
    cgroup: &Cgroup,
    verified: &Verified,
    options: EnforceOptions,
    check: impl FnOnce() -> Result<(), EnforceError>,
) -> Result<InForce, EnforceError> {
    cgroup.guard()?;
    let program = load(verified)?;
    let above = || nearest_above(cgroup);
    let attachment = options.attach.attach(cgroup.as_fd(), &program, &above);
    let attachment = attachment.map_err(|source| explain(cgroup, source))?;
    match check().and_then(|()| holding(cgroup, &program, options.hold)) {
        Ok(holding) => Ok(InForce::new(cgroup, attachment.keep(), holding)),
        Err(cause) => Err(undone(cgroup, attachment, cause)),
    }
}

/// Attaching could not know that the link of program `before` is devgate's and about to change:
/// what it says of that program may be true no more.
fn settle(cgroup: &Cgroup, outcome: &mut Outcome, before: ProgId) {
    let Some(place) = outcome.left.iter().position(|(id, _)| *id == before) else { return };
    let look = || query(cgroup.as_fd());
    let reason = match (look().or_else(|_| look()), outcome.left.swap_remove(place).1) {
        // Its copy could not be detached before.
        (Ok(attached), reason) if attached.ids.contains(&before) => {
            match detach(cgroup.as_fd(), before) {
                Ok(_) => None,
                Err(DetachError::Open { errno, .. }) => Some(LeftReason::Unopened(errno)),
                Err(DetachError::Detach { errno, .. }) => Some(LeftReason::Undetached(errno)),
                Err(DetachError::Link { .. } | DetachError::Query(_)) => Some(reason),
            }
        }
        // The link alone held it, and has another program now.
        (Ok(_), _) | (Err(_), LeftReason::Link) => None,
        (Err(_), reason) => Some(reason),
    };
    match reason {
        Some(reason) => outcome.left.push((before, reason)),
        None => outcome.detached.push(before),
    }
}

fn holding(cgroup: &Cgroup, program: &Loaded, mode: HoldMode) -> Result<Holding, EnforceError> {
    hold(cgroup, program, mode)
        .map_err(|source| EnforceError::Hold { cgroup: cgroup.path().to_owned(), source })
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
