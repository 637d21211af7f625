//! The guard's lines.

use std::time::Duration;

use super::{Left, Record};
use crate::enforce::InForce;
use crate::kernel::ProgId;

/// What the guard did.
#[derive(Debug)]
pub struct Guarded<'e> {
    /// One word for it.
    pub result: &'static str,
    /// The container's id, if it is about one.
    pub container: Option<&'e str>,
    /// Its cgroup.
    pub cgroup: Option<String>,
    /// What was amiss.
    pub found: Vec<String>,
    /// What is in force since, and how many instructions it has.
    pub in_force: Option<(&'e InForce, usize)>,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
    /// Why it could not be done.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Record {
    /// A record of what the guard did just now.
    pub fn of_guard(guarded: Guarded<'_>) -> Record {
        let Guarded { result, cgroup, found, error, .. } = guarded;
        let now = Record::failed(guarded.container, &guarded.warnings, guarded.took);
        let mut record = Record { result, cgroup, found, error, ..now };
        if let Some((in_force, insns)) = guarded.in_force {
            record.add(in_force, insns);
        }
        record
    }

    /// The program, and what gave way to it.
    pub(super) fn add(&mut self, in_force: &InForce, insns: usize) {
        let outcome = &in_force.outcome;
        self.unit = in_force.gating.sole().map(|gate| gate.unit.clone());
        self.unit_detached = in_force.gating.detached().map(ProgId::number).collect();
        self.pin = in_force.holding.pin().map(|pin| pin.display().to_string());
        self.program = Some(outcome.id.number());
        self.insns = Some(insns);
        self.detached = outcome.detached.iter().map(|id| id.number()).collect();
        let left = outcome.left.iter();
        let left = left.map(|(id, why)| Left { program: id.number(), reason: why.to_string() });
        self.left = left.collect();
    }
}
