//! What was run, and what broke.

use std::collections::BTreeMap;
use std::fmt;

use super::commands::again;
use super::explore::Scene;
use super::judge::{Broken, Rule};
use super::observed::Observed;
use super::plan::Plan;

/// Violations of one rule that are shown.
const SHOWN: usize = 25;

/// What was done to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Undisturbed,
    FailedOnce,
    FailedFromThenOn,
    FailedTwice,
    Killed,
    FailedThenKilled,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::Undisturbed => "undisturbed",
            Kind::FailedOnce => "one syscall failed once",
            Kind::FailedFromThenOn => "bpf failed from one call on",
            Kind::FailedTwice => "bpf failed at two calls",
            Kind::Killed => "killed at a syscall",
            Kind::FailedThenKilled => "bpf failed, killed at a later syscall",
        }
    }
}

pub struct Violation {
    pub scene: Scene,
    pub plan: Plan,
    pub broken: Broken,
    pub stderr: String,
}

#[derive(Default)]
pub struct Report {
    runs: BTreeMap<Kind, usize>,
    errors: usize,
    kills: usize,
    states: usize,
    /// Faults of a plan whose call did not come: the run was another than the one before.
    pub missed: usize,
    pub violations: Vec<Violation>,
    /// What would be one but for an exception, by its reason.
    excused: BTreeMap<&'static str, usize>,
}

impl Report {
    pub fn count(&mut self, kind: Kind, observed: &Observed) {
        *self.runs.entry(kind).or_default() += 1;
        let killed = usize::from(observed.run.was_killed());
        self.kills += killed;
        self.errors += observed.run.hits().count() - killed;
        self.states += observed.states.len();
    }

    pub fn add(&mut self, violation: Violation) {
        match violation.broken.excuse {
            None => self.violations.push(violation),
            Some(reason) => *self.excused.entry(reason).or_default() += 1,
        }
    }

    pub fn runs(&self) -> usize {
        self.runs.values().sum()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scene { world, command } = self.scene;
        let case = format!("{} {} {}", world.name, command.name, self.plan);
        writeln!(f, "  {case}")?;
        writeln!(f, "    {}", self.broken.how)?;
        if let Some(options) = self.plan.strace() {
            writeln!(f, "    strace -f -qq {options}")?;
        }
        writeln!(f, "    {}", again(case.trim_end()))?;
        self.stderr.lines().take(3).try_for_each(|line| writeln!(f, "    | {line}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_rule: BTreeMap<Rule, Vec<&Violation>> = BTreeMap::new();
        for violation in &self.violations {
            by_rule.entry(violation.broken.rule).or_default().push(violation);
        }
        for (rule, violations) in by_rule {
            writeln!(f, "{rule:?}: {} violations", violations.len())?;
            violations.iter().take(SHOWN).try_for_each(|violation| write!(f, "{violation}"))?;
            if violations.len() > SHOWN {
                writeln!(f, "  and {} more", violations.len() - SHOWN)?;
            }
        }
        for (kind, runs) in &self.runs {
            writeln!(f, "{runs:8} {}", kind.text())?;
        }
        let (runs, errors, kills, states) = (self.runs(), self.errors, self.kills, self.states);
        writeln!(
            f,
            "{runs:8} runs: {errors} errors injected, {kills} kills, {states} states looked at"
        )?;
        writeln!(f, "{:8} faults whose call did not come", self.missed)?;
        for (reason, count) in &self.excused {
            writeln!(f, "{count:8} excused: {reason}")?;
        }
        write!(f, "{} violations", self.violations.len())
    }
}
