//! From a policy to its proven program, seen attached and held: what the hook, `apply` and `demo`
//! share.

mod error;
mod gatekeeper;

pub use error::{EnforceError, PrepareError};

use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::cgroup::Cgroup;
use crate::compile::compile;
use crate::errors::chain;
use crate::hold::{HoldMode, Holding, LinkBefore, hold};
use crate::kernel::{
    AboveError, AttachError, AttachFlags, Attached, Attachment, DetachError, DirectAttach,
    LeftReason, Loaded, Outcome, ProgId, detach, load, query,
};
use crate::policy::Policy;
use crate::unit::{Gating, UnitMode};
use crate::verify::{Verified, verify};

use gatekeeper::{Found, Gatekeeper};

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
    /// What to do about the systemd unit that was made for the container.
    pub unit: UnitMode,
}

impl EnforceOptions {
    /// In the cgroup's own list alone: without a link, and whatever the unit.
    pub fn directly(attach: DirectAttach) -> EnforceOptions {
        EnforceOptions { attach, hold: HoldMode::No, unit: UnitMode::No }
    }
}

/// A policy in force.
#[derive(Debug)]
pub struct InForce {
    /// The program in the cgroup's own list, and what gave way to it.
    pub outcome: Outcome,
    /// What holds it besides.
    pub holding: Holding,
    /// Who decides in the container's unit.
    pub gating: Gating,
}

impl InForce {
    fn new(cgroup: &Cgroup, mut outcome: Outcome, holding: Holding, gating: Gating) -> InForce {
        if let Some(before) = holding.before() {
            settle(cgroup, &mut outcome, before);
        }
        InForce { outcome, holding, gating }
    }

    /// What the operator should know, besides the programs that are left.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.outcome.warnings();
        warnings.extend(self.holding.warning());
        warnings.extend(self.gating.warnings());
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
/// hold it. `id` is the container's, if the cgroup is a container's: it tells the systemd unit that
/// was made for it.
///
/// Where a link holds an older program, the copy in the cgroup's list is replaced first: until the
/// link has the new one, both policies must allow a request.
///
/// # Errors
/// What was attached before is attached still, and the unit is as it was, or the error tells what
/// differs.
pub fn enforce(
    cgroup: &Cgroup,
    id: Option<&str>,
    verified: &Verified,
    options: EnforceOptions,
) -> Result<InForce, EnforceError> {
    enforce_if(cgroup, id, verified, options, || Ok(()))
}

/// As [`enforce`], and undone unless `check` succeeds once the program is attached.
pub(crate) fn enforce_if(
    cgroup: &Cgroup,
    id: Option<&str>,
    verified: &Verified,
    options: EnforceOptions,
    check: impl FnOnce() -> Result<(), EnforceError>,
) -> Result<InForce, EnforceError> {
    let nothing = LinkBefore::unknown();
    put(cgroup, id, verified, options, nothing, check, |_, _| Ok(()))
}

/// As [`enforce`], and undone unless `then`, given the new program and what holds it, goes well once
/// it is in force.
pub(crate) fn enforce_then(
    cgroup: &Cgroup,
    id: Option<&str>,
    verified: &Verified,
    options: EnforceOptions,
    then: impl FnOnce(ProgId, &Holding) -> Result<(), EnforceError>,
) -> Result<InForce, EnforceError> {
    let held = |source| EnforceError::Hold { cgroup: cgroup.path().to_owned(), source };
    let before = LinkBefore::of(cgroup).map_err(held)?;
    put(cgroup, id, verified, options, before, || Ok(()), then)
}

/// Both; `before` is what to restore if `then` fails.
fn put(
    cgroup: &Cgroup,
    id: Option<&str>,
    verified: &Verified,
    options: EnforceOptions,
    before: LinkBefore,
    check: impl FnOnce() -> Result<(), EnforceError>,
    then: impl FnOnce(ProgId, &Holding) -> Result<(), EnforceError>,
) -> Result<InForce, EnforceError> {
    cgroup.guard()?;
    let program = load(verified)?;
    let Found { unit, failed } = Found::of(cgroup, id, options.unit)?;
    let mut gatekeeper = Gatekeeper::new(unit.as_ref(), failed, options.unit);
    let above = || nearest_above(cgroup);
    let attachment = match options.attach.attach(cgroup.as_fd(), &program, &above) {
        Ok(attachment) => attachment,
        Err(source) => return Err(gatekeeper.undone(explain(cgroup, source))),
    };
    let held = check()
        .and_then(|()| gatekeeper.take_others_off(cgroup, &program))
        .and_then(|()| holding(cgroup, &program, options.hold));
    let done = held.and_then(|holding| match then(program.id(), &holding) {
        Ok(()) => Ok(holding),
        Err(cause) => Err(link_restored(cgroup, &before, cause)),
    });
    match done {
        Ok(holding) => Ok(InForce::new(cgroup, attachment.keep(), holding, gatekeeper.keep())),
        // What is attached besides a link that keeps the new program only restricts further.
        Err(cause @ EnforceError::LinkNotRestored { .. }) => Err(cause),
        Err(cause) => Err(undone(cgroup, attachment, gatekeeper.undone(cause))),
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

/// The cause, once the link is as it was.
fn link_restored(cgroup: &Cgroup, before: &LinkBefore, cause: EnforceError) -> EnforceError {
    match before.restore(cgroup) {
        Ok(()) => cause,
        Err(source) => {
            let (cgroup, cause) = (cgroup.path().to_owned(), Box::new(cause));
            EnforceError::LinkNotRestored { cgroup, state: chain(&source), cause }
        }
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
    let above = |wanted: &dyn Fn(&Attached) -> bool| first_above(cgroup, wanted).ok().flatten();
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
    first_above(cgroup, |_| true)
}

/// The first cgroup above whose programs are like this, with them.
fn first_above(
    cgroup: &Cgroup,
    wanted: impl Fn(&Attached) -> bool,
) -> Result<Option<(PathBuf, Attached)>, AboveError> {
    for above in cgroup.above() {
        let above = above?;
        let attached = query(above.as_fd())?;
        if !attached.ids.is_empty() && wanted(&attached) {
            return Ok(Some((above.path().to_owned(), attached)));
        }
    }
    Ok(None)
}
