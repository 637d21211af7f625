//! What is known of one cgroup: the programs that run for it, and the answers that were explained.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use super::why;
use super::{AsOf, ExplainError, Explanation, FRESH, Part, Runner};
use crate::cgroup::Cgroup;
use crate::container::RecordIndex;
use crate::decode::Answers;
use crate::device::Request;
use crate::inspect::reader::Reader;
use crate::inspect::{Answer, Generator, Inspection, Meaning, failed, judge};
use crate::kernel::{ProgId, query_effective};
use crate::policy::Policy;
use crate::verify::verify;

/// Answers of one cgroup that are kept: its container may ask for as many devices as it likes.
const MOST_KEPT: usize = 512;

/// How often a program of devgate's that is not what the record says is compared with it again.
const UNRECORDED: Duration = Duration::from_secs(1);

/// One cgroup.
#[derive(Debug)]
pub(super) struct Known {
    cgroup: Cgroup,
    pub as_of: AsOf,
    /// When the programs were last known to be these.
    looked: Instant,
    /// The programs that run, as the kernel lists them.
    effective: Vec<ProgId>,
    inspection: Inspection,
    /// Each program of [`Inspection::running`].
    runners: Vec<Running>,
    /// For how long this is taken to be so.
    fresh: Duration,
    explained: HashMap<Request, Rc<Explanation>>,
}

#[derive(Debug)]
struct Running {
    runner: Rc<Runner>,
    /// The policy that it was proven to be.
    policy: Option<Rc<Policy>>,
    /// Whether it allows everything, and so decides nothing.
    allows_all: bool,
}

impl Known {
    pub fn look(
        cgroup: Cgroup,
        now: Instant,
        reader: &mut Reader<'static>,
        records: &mut RecordIndex,
        proofs: &mut Proofs,
    ) -> Result<Known, ExplainError> {
        // If they change after this, the next look finds other ones.
        let effective = effective(&cgroup)?;
        let mut cgroups: Vec<Cgroup> = cgroup.above().collect::<Result<_, _>>()?;
        cgroups.insert(0, cgroup);
        let inspection = reader.inspect(&cgroups)?;
        let (mut runners, mut fresh) = (Vec::new(), FRESH);
        for (path, attachment) in inspection.running() {
            let is_ours = attachment.generator == Some(Generator::Devgate);
            let at = path.and_then(|path| cgroups.iter().find(|cgroup| cgroup.path() == path));
            let mut policy = None;
            if let (true, Some(at)) = (is_ours, at)
                && let Some(record) = records.of_cgroup(at.id()?)
            {
                policy = proofs.policy(&attachment.meaning, record.policy());
                // The record is written after the program is attached.
                fresh = if policy.is_none() { UNRECORDED } else { fresh };
            }
            let program = &attachment.program;
            let runner = Rc::new(Runner {
                id: program.id,
                name: program.name.clone(),
                generator: attachment.generator,
                cgroup: path.map(ToOwned::to_owned),
            });
            let answers = attachment.meaning.answers.as_ref();
            let allows_all = answers.is_ok_and(|answers| *answers == Answers::everything());
            runners.push(Running { runner, policy, allows_all });
        }
        Ok(Known {
            cgroup: cgroups.swap_remove(0),
            as_of: AsOf::Now,
            looked: now,
            effective,
            inspection,
            runners,
            fresh,
            explained: HashMap::new(),
        })
    }

    /// Whether the programs are still those that were looked at.
    pub fn is_current(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.looked) < self.fresh {
            return true;
        }
        let is_same = effective(&self.cgroup).is_ok_and(|found| found == self.effective);
        if is_same && self.fresh == FRESH {
            self.looked = now;
        }
        is_same && self.fresh == FRESH
    }

    /// The programs are compared with those attached when they are asked for next.
    pub fn expire(&mut self) {
        self.looked = self.looked.checked_sub(UNRECORDED).unwrap_or(self.looked);
    }

    /// The cgroup was removed.
    pub fn is_gone(&mut self) {
        self.as_of = AsOf::LastLook;
        self.explained.clear();
    }

    pub fn explain(&mut self, request: &Request) -> Rc<Explanation> {
        if let Some(known) = self.explained.get(request) {
            return Rc::clone(known);
        }
        if self.explained.len() >= MOST_KEPT {
            self.explained.clear();
        }
        let explanation = Rc::new(self.explanation(request));
        self.explained.insert(*request, Rc::clone(&explanation));
        explanation
    }

    fn explanation(&self, request: &Request) -> Explanation {
        let judged = judge(&self.inspection, request);
        let answers = || judged.said.iter().map(|said| &said.answer);
        let denies = |answer: &Answer| *answer == Answer::Denies;
        let decider = match judged.together {
            Answer::Allows => self.runners.iter().position(|runner| !runner.allows_all),
            Answer::Denies => answers().position(denies),
            Answer::Unknown(_) => answers()
                .position(denies)
                .or_else(|| answers().position(|answer| matches!(answer, Answer::Unknown(_))))
                .or_else(|| judged.said.iter().position(|said| said.retval.is_some())),
        };
        let decider = decider.unwrap_or(0);
        let others = self.runners.iter().zip(answers()).enumerate();
        let others = others.filter(|(place, (_, answer))| *place != decider && denies(answer));
        Explanation {
            others: others.map(|(_, (running, _))| Rc::clone(&running.runner)).collect(),
            decider: self.part(decider, answers().nth(decider), request),
            answer: judged.together.clone(),
            as_of: self.as_of,
        }
    }

    fn part(&self, place: usize, answer: Option<&Answer>, request: &Request) -> Option<Part> {
        let (running, answer) = (self.runners.get(place)?, answer?);
        let (_, attachment) = self.inspection.running().nth(place)?;
        let why = match &running.policy {
            Some(policy) => why::of_policy(policy, request),
            None => why::of_program(&attachment.meaning, answer, request),
        };
        Some(Part { runner: Rc::clone(&running.runner), answer: answer.clone(), why })
    }
}

fn effective(cgroup: &Cgroup) -> Result<Vec<ProgId>, ExplainError> {
    Ok(query_effective(cgroup.as_fd()).map_err(|source| failed(cgroup, source))?)
}

/// Which programs were proven to be which policies: most containers have the same.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    proven: Vec<Proof>,
}

#[derive(Debug)]
struct Proof {
    meaning: Weak<Meaning>,
    policy: Rc<Policy>,
    holds: bool,
}

impl Proofs {
    /// The policy, if the program decides every request as it does.
    fn policy(&mut self, meaning: &Rc<Meaning>, policy: Policy) -> Option<Rc<Policy>> {
        self.proven.retain(|proof| proof.meaning.strong_count() > 0);
        let is_it = |proof: &&Proof| {
            Weak::ptr_eq(&proof.meaning, &Rc::downgrade(meaning)) && *proof.policy == policy
        };
        if let Some(proof) = self.proven.iter().find(is_it) {
            return proof.holds.then(|| Rc::clone(&proof.policy));
        }
        let program = meaning.program.clone()?;
        let holds = verify(program, &policy).is_ok();
        let policy = Rc::new(policy);
        let proof = Proof { meaning: Rc::downgrade(meaning), policy: Rc::clone(&policy), holds };
        self.proven.push(proof);
        holds.then_some(policy)
    }
}
