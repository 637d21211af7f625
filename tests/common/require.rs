//! What a test needs of the machine. Without it the test is skipped, or fails where
//! `DEVGATE_TEST_REQUIRE=1` says that nothing may be skipped.

use std::env;
use std::io::{self, Write};

use nix::unistd::geteuid;

use super::{cgroup, own};

/// `met`; if it is not, says that the test is skipped and why, or fails.
pub fn require(met: bool, why: &str) -> bool {
    if !met {
        let required = env::var_os("DEVGATE_TEST_REQUIRE").is_some_and(|value| value == "1");
        assert!(!required, "DEVGATE_TEST_REQUIRE=1, and this test can't run: {why}");
        // print! would be held back by the test harness.
        let _ = writeln!(io::stderr(), "skipped: {why}");
    }
    met
}

/// Whether programs can be attached to cgroups that the test makes. If so, the test's pins and
/// records are its own from here on.
pub fn bpf() -> bool {
    let met = require(geteuid().is_root(), "it needs root")
        && require(cgroup::own().is_some(), "it needs cgroup2");
    if met {
        own::isolate();
    }
    met
}
