//! Programs that can take back what another one denied.
//!
//! Programs run one after the other, and a later one may set the return value of the whole run
//! (`bpf_set_retval`, Linux 5.18): then it does not matter what an earlier one returned.

use std::fmt;
use std::os::fd::BorrowedFd;

use super::program::{ProgId, Program};
use super::query::{QueryError, query_effective};
use super::set_retval::SetRetval;
use crate::bpf::{self, RetvalCall, RetvalCause, retval_call};

/// What to do about programs that run after the new one and may set the return value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetvalPrograms {
    /// Fail: they could allow what the new one denies.
    #[default]
    Refuse,
    /// Let them.
    Allow,
}

/// Why a program may set the return value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetvalReason {
    /// It makes this call.
    Calls(RetvalCall),
    /// Its instructions can't be seen.
    Unseen(String),
}

impl RetvalReason {
    /// Whether the kernel hides what the program does, and nothing is known against it.
    pub fn is_hidden(&self) -> bool {
        match self {
            RetvalReason::Calls(call) => call.cause == RetvalCause::UnknownHelper,
            RetvalReason::Unseen(_) => true,
        }
    }
}

impl fmt::Display for RetvalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RetvalReason::Calls(call) => call.fmt(f),
            RetvalReason::Unseen(why) => write!(f, "its instructions can't be read: {why}"),
        }
    }
}

/// The first program that runs after `own` for the cgroup and may set the return value. In the
/// plain case `own` is the last one, and this is one query.
pub(super) fn after(
    cgroup: BorrowedFd<'_>,
    own: ProgId,
) -> Result<Option<(ProgId, RetvalReason)>, QueryError> {
    let effective = query_effective(cgroup)?;
    let later = effective.iter().rposition(|id| *id == own).map_or(0, |place| place + 1);
    let helpers = SetRetval::default();
    let mut later = effective[later..].iter();
    Ok(later.find_map(|id| Some((*id, may_set_retval(*id, &helpers)?))))
}

/// Why the program may set the return value, if it may. One that is gone may not.
fn may_set_retval(id: ProgId, helpers: &SetRetval) -> Option<RetvalReason> {
    let program = match Program::by_id(id) {
        Ok(program) => program,
        Err(error) if error.is_gone() => return None,
        Err(error) => return Some(RetvalReason::Unseen(error.to_string())),
    };
    let reason = match program.insns() {
        Ok(insns) => retval_call(&bpf::Program::new(insns), helpers).map(RetvalReason::Calls),
        Err(error) if error.is_gone() => None,
        Err(error) => Some(RetvalReason::Unseen(error.to_string())),
    };
    reason.filter(|reason| !(program.is_named_observer() && reason.is_hidden()))
}
