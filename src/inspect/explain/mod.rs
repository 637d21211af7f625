//! Why a request is answered as it is: which program on which cgroup decides it, and by which rule.

mod known;
mod why;

pub use why::{Decided, Why, of_policy as why_of};

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::links::NO_LINKS;
use super::reader::Reader;
use super::{Answer, Generator, InspectError};
use crate::cgroup::{Cgroup, CgroupError};
use crate::container::RecordIndex;
use crate::device::Request;
use crate::kernel::ProgId;
use crate::policy::Verdict;
use known::{Known, Proofs};

/// For so long a cgroup's programs are taken to be what they were.
const FRESH: Duration = Duration::from_millis(50);

/// A program that runs for a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Its id.
    pub id: ProgId,
    /// Its name, which may be empty.
    pub name: String,
    /// Who made it, by its marks.
    pub generator: Option<Generator>,
    /// The cgroup that it is attached to; `None` if that is not seen from here.
    pub cgroup: Option<PathBuf>,
}

/// A program's part in a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The program.
    pub runner: Rc<Runner>,
    /// What it answers.
    pub answer: Answer,
    /// Why.
    pub why: Why,
}

/// Of which moment an explanation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// The programs are attached.
    Now,
    /// The cgroup is gone: they were attached when it was last looked at.
    LastLook,
}

/// Why a request of a cgroup is answered as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What the programs that run for the cgroup answer, together.
    pub answer: Answer,
    /// The program that decides. Of a denial: the first that denies, in the order in which they
    /// run. Of what is allowed, it is the first that does not allow everything, or else the first. Of
    /// what can't be told: the first that denies, or else the first that can't be told. `None` if
    /// no program runs.
    pub decider: Option<Part>,
    /// The other programs that deny.
    pub others: Vec<Rc<Runner>>,
    /// Of which moment this is.
    pub as_of: AsOf,
}

impl Explanation {
    /// The verdict, if it can be told.
    pub fn verdict(&self) -> Option<Verdict> {
        match self.answer {
            Answer::Allows => Some(Verdict::Allow),
            Answer::Denies => Some(Verdict::Deny),
            Answer::Unknown(_) => None,
        }
    }
}

/// Why nothing can be told.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// The cgroup was removed before its programs were looked at.
    #[error("its cgroup was removed before devgate could look at its programs")]
    Gone,
    /// The cgroup can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Its programs can't be looked at.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

/// Explains requests. What was found out is kept while the cgroup's programs stay the same.
#[derive(Debug)]
pub struct Explainer {
    reader: Reader<'static>,
    records: RecordIndex,
    proofs: Proofs,
    /// `None`: it was gone before it was looked at.
    cgroups: HashMap<u64, Option<Known>>,
}

impl Default for Explainer {
    fn default() -> Explainer {
        Explainer {
            reader: Reader::new(&NO_LINKS),
            records: RecordIndex::default(),
            proofs: Proofs::default(),
            cgroups: HashMap::new(),
        }
    }
}

impl Explainer {
    /// Looks at the programs of the cgroup with this id while it lives, so that its requests can be
    /// explained when it is gone.
    ///
    /// # Errors
    /// As for [`Explainer::explain`].
    pub fn learn(&mut self, cgroup_id: u64) -> Result<(), ExplainError> {
        self.known(cgroup_id).map(|_| ())
    }

    /// Why a process in the cgroup with this id gets its answer to `request`: by the programs that
    /// are attached now, to that cgroup and those above it.
    ///
    /// # Errors
    /// The cgroup was gone before it was looked at, or its programs can't be listed.
    pub fn explain(
        &mut self,
        cgroup_id: u64,
        request: &Request,
    ) -> Result<Rc<Explanation>, ExplainError> {
        Ok(self.known(cgroup_id)?.explain(request))
    }

    /// The same for a request of which the kernel told the verdict. If what was found out a moment ago
    /// says otherwise, the programs were changed, and are looked at again.
    ///
    /// # Errors
    /// As for [`Explainer::explain`].
    pub fn explain_told(
        &mut self,
        cgroup_id: u64,
        request: &Request,
        told: Verdict,
    ) -> Result<Rc<Explanation>, ExplainError> {
        let explanation = self.explain(cgroup_id, request)?;
        if explanation.verdict().is_none_or(|verdict| verdict == told) {
            return Ok(explanation);
        }
        if let Some(Some(known)) = self.cgroups.get_mut(&cgroup_id) {
            known.expire();
        }
        self.explain(cgroup_id, request)
    }

    /// Forgets a cgroup.
    pub fn forget(&mut self, cgroup_id: u64) {
        self.cgroups.remove(&cgroup_id);
    }

    /// What is known of the cgroup, as it is now or was when it was last looked at.
    fn known(&mut self, cgroup_id: u64) -> Result<&mut Known, ExplainError> {
        let now = Instant::now();
        let fresh = match self.cgroups.get_mut(&cgroup_id) {
            Some(None) => return Err(ExplainError::Gone),
            Some(Some(known)) => known.as_of == AsOf::LastLook || known.is_current(now),
            None => false,
        };
        if !fresh {
            match self.look(cgroup_id, now) {
                Ok(found) => {
                    self.cgroups.insert(cgroup_id, Some(found));
                }
                Err(ExplainError::Gone) => self.keep_last_look(cgroup_id),
                Err(error) => return Err(error),
            }
        }
        let known = self.cgroups.get_mut(&cgroup_id).and_then(Option::as_mut);
        known.ok_or(ExplainError::Gone)
    }

    fn look(&mut self, cgroup_id: u64, now: Instant) -> Result<Known, ExplainError> {
        let cgroup = Cgroup::of_id(cgroup_id)?.ok_or(ExplainError::Gone)?;
        let looked =
            Known::look(cgroup, now, &mut self.reader, &mut self.records, &mut self.proofs);
        // The programs are kept by those who have them.
        self.reader.forget_programs();
        match looked {
            Err(ExplainError::Inspect(_) | ExplainError::Cgroup(_))
                if matches!(Cgroup::of_id(cgroup_id), Ok(None)) =>
            {
                Err(ExplainError::Gone)
            }
            looked => looked,
        }
    }

    fn keep_last_look(&mut self, cgroup_id: u64) {
        if let Some(known) = self.cgroups.entry(cgroup_id).or_default() {
            known.is_gone();
        }
    }
}
