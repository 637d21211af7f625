//! Policies put on cgroups through the library.

use devgate::enforce::{EnforceError, EnforceOptions, Prepared, enforce, prepare};
use devgate::kernel::{DirectAttach, Outcome, ProgId, Stale};
use devgate::policy::{DefaultDevices, Policy};

use super::cgroup::TestCgroup;

/// The policy of these rules alone, with its program.
pub fn prepared(rules: &[&str]) -> Prepared {
    let rules = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
    prepare(Policy::new(rules, DefaultDevices::None)).expect("the policy has a proven program")
}

pub fn try_put(cgroup: &TestCgroup, rules: &[&str], stale: Stale) -> Result<Outcome, EnforceError> {
    let how = DirectAttach { stale, ..DirectAttach::default() };
    let how = EnforceOptions::directly(how);
    enforce(&cgroup.open(), None, &prepared(rules).verified, how).map(|in_force| in_force.outcome)
}

/// The outcome, as plain numbers, of what has to work.
pub fn put(cgroup: &TestCgroup, rules: &[&str], stale: Stale) -> Put {
    let outcome = try_put(cgroup, rules, stale).expect("the program can be attached");
    let left = outcome.left.iter().map(|(id, reason)| (*id, reason.to_string()));
    Put { id: outcome.id, detached: outcome.detached, left: left.collect() }
}

#[derive(Debug)]
pub struct Put {
    pub id: ProgId,
    pub detached: Vec<ProgId>,
    pub left: Vec<(ProgId, String)>,
}

/// An error and its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
