//! What every engine's container goes through.

use std::path::PathBuf;

use super::eventually;
use super::place::Place;
use super::watch::{HookRun, Inspected, is_loaded};

/// A container's run, from its start until nothing is left of it.
#[derive(Debug)]
pub struct Ran {
    pub gated: Gated,
    /// A line for each step.
    pub answers: Vec<String>,
    /// While it ran.
    pub inspected: Inspected,
}

/// A container that devgate's hook has seen.
#[derive(Debug)]
pub struct Gated {
    /// Where this machine shows its cgroup.
    pub cgroup: PathBuf,
    /// devgate's program.
    pub program: u32,
    /// The runtime's program.
    pub stale: u32,
}

impl Gated {
    /// The hook's run says that one program gave way to devgate's.
    #[track_caller]
    pub fn new(place: &Place, run: &HookRun) -> Gated {
        assert_eq!(run.result, "attached", "{run:?}");
        let cgroup = place.cgroup_shown_at(run.cgroup.as_deref().expect("the log has a cgroup"));
        let program = run.program.expect("the log has a program");
        let [stale] = run.detached[..] else { panic!("not one program gave way: {run:?}") };
        Gated { cgroup, program, stale }
    }

    /// One program is on the running container's cgroup: devgate's. The runtime's is gone.
    #[track_caller]
    pub fn assert_running(&self) -> Inspected {
        let inspected = Inspected::of(&self.cgroup);
        inspected.assert_ours_alone(self.program);
        eventually("the runtime's program is gone", || !is_loaded(self.stale));
        inspected
    }

    /// Nothing of the container is left.
    #[track_caller]
    pub fn assert_gone(&self) {
        eventually("the container's cgroup is gone", || !self.cgroup.exists());
        eventually("devgate's program is gone", || !is_loaded(self.program));
    }
}
