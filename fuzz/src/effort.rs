//! How much an input may cost.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Well above what devgate promises: the fuzzed build counts every branch.
const MOST: Duration = Duration::from_secs(3);

/// What `work` gives. Panics if it takes too much CPU time; a machine that is busy with something
/// else doesn't matter.
pub fn bounded<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let before = cpu_time();
    let result = work();
    let took = cpu_time().saturating_sub(before);
    assert!(took < MOST, "{what} took {took:.1?} of CPU time");
    result
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has this clock");
    now.into()
}
