//! All that one program, or several in a row, may answer.

use super::DecodeError;
use super::table::Table;
use crate::analyze::{AccessSets, Analysis, Region};
use crate::policy::Verdict;

/// What is allowed for sure, and what may be.
///
/// Programs run one after the other. The first that returns 0 sets the run's return value to
/// -EPERM, and a program may set it itself, which `bpf_set_retval` does (Linux 5.18): to 0, and what
/// was denied so far is allowed, or to an error, and what was allowed is denied
/// (`bpf_prog_run_array_cg`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// What is allowed in any case.
    pub allowed: Table,
    /// What may be allowed: all else is denied in any case.
    pub possible: Table,
    /// For which requests the return value may be set.
    pub retval: Table,
}

impl Answers {
    /// Before any program has run.
    pub fn everything() -> Answers {
        let all = Table::uniform(AccessSets::ALL);
        let retval = Table::uniform(AccessSets::NONE);
        Answers { allowed: all.clone(), possible: all, retval }
    }

    /// Of one program.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`].
    pub fn of(analysis: &Analysis) -> Result<Answers, DecodeError> {
        let possible = Table::of(&analysis.regions)?;
        let allowed = match analysis.undecided {
            None => possible.clone(),
            Some(_) => {
                let denied = |region: &&Region| is_denied(region);
                possible.without(&Table::covering(analysis.regions.iter().filter(denied))?)?
            }
        };
        Ok(Answers { allowed, possible, retval: Table::covering(analysis.retval.iter())? })
    }

    /// Of a program of which no more is known than whether it may set the return value.
    pub fn opaque(may_set_retval: bool) -> Answers {
        let set = if may_set_retval { AccessSets::ALL } else { AccessSets::NONE };
        Answers {
            allowed: Table::uniform(AccessSets::NONE),
            possible: Table::uniform(AccessSets::ALL),
            retval: Table::uniform(set),
        }
    }

    /// Whether every request has an answer.
    pub fn is_exact(&self) -> bool {
        self.allowed == self.possible
    }

    /// What may be allowed or denied.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`].
    pub fn uncertain(&self) -> Result<Table, DecodeError> {
        self.possible.difference(&self.allowed)
    }

    /// What these and the next program's answers come to.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`].
    pub fn then(&self, next: &Answers) -> Result<Answers, DecodeError> {
        if next.retval.is_empty() {
            let possible = self.possible.and(&next.possible)?;
            let allowed = match self.is_exact() && next.is_exact() {
                true => possible.clone(),
                false => self.allowed.and(&next.allowed)?,
            };
            return Ok(Answers { allowed, possible, retval: self.retval.clone() });
        }
        Ok(Answers {
            allowed: self.allowed.and(&next.allowed)?.without(&next.retval)?,
            possible: self.possible.or(&next.retval)?.and(&next.possible)?,
            retval: self.retval.or(&next.retval)?,
        })
    }
}

fn is_denied(region: &Region) -> bool {
    region.verdict == Verdict::Deny
}
