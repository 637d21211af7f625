//! What every engine's container goes through.

use std::path::PathBuf;

use super::eventually;
use super::place::Place;
use super::watch::{HookRun, assert_ours_alone, is_loaded};

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
    pub fn assert_running(&self) {
        assert_ours_alone(&self.cgroup, self.program);
        eventually("the runtime's program is gone", || !is_loaded(self.stale));
    }

    /// Nothing of the container is left.
    #[track_caller]
    pub fn assert_gone(&self) {
        eventually("the container's cgroup is gone", || !self.cgroup.exists());
        eventually("devgate's program is gone", || !is_loaded(self.program));
    }
}
