//! Instructions, and those executed on the longest path, against the limits.

use devgate::analyze::{Budget, analyze, longest_path};
use devgate::compile::compile;
use serde::Serialize;

use crate::policy::Policy;
use crate::progress;

/// One policy's program.
#[derive(Debug, Serialize)]
pub struct Count {
    /// The policy.
    pub policy: &'static str,
    /// Instructions.
    pub insns: usize,
    /// As many at most.
    pub insns_limit: usize,
    /// Instructions executed on the longest path.
    pub path: usize,
    /// As many at most.
    pub path_limit: usize,
}

impl Count {
    /// Whether both limits are kept.
    pub fn met(&self) -> bool {
        self.insns <= self.insns_limit && self.path <= self.path_limit
    }
}

/// Counts for every policy that has limits.
pub fn count() -> anyhow::Result<Vec<Count>> {
    let policies = [
        (Policy::podman(), 30, 14),
        (Policy::containerd(), 34, 15),
        (Policy::everything(true), 2, 2),
        (Policy::everything(false), 2, 2),
        (Policy::random_1_000(), 4_000, 30),
        (Policy::mixed_1_000(), 4_000, 30),
        (Policy::few_majors(), 4_000, 30),
        (Policy::adjacent(), 60, 20),
        (Policy::three_apart(), 600, 24),
        (Policy::random_10_000(), 40_000, 36),
        (Policy::mixed_10_000(), 40_000, 36),
    ];
    progress("counts", 0, policies.len());
    let counted = |(policy, insns_limit, path_limit): &(Policy, usize, usize)| {
        let program = compile(&policy.parsed()?)?;
        let path = longest_path(&program, &analyze(&program, Budget::PROOF)?)?;
        Ok(Count {
            policy: policy.name,
            insns: program.insns().len(),
            insns_limit: *insns_limit,
            path,
            path_limit: *path_limit,
        })
    };
    policies.iter().map(counted).collect()
}
