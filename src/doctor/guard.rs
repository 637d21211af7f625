//! Whether a guard runs. It is optional: without it everything works but what needs one.

use std::path::Path;

use super::{AS_ROOT, Finding, Group};
use crate::errors::chain;
use crate::guard_lock::{GuardLock, GuardLockError};
use crate::run_dir::{RUN_DIR, RunDir};

const CHECK: &str = "running";

pub(super) fn findings() -> Vec<Finding> {
    let dir = Path::new(RUN_DIR);
    // Nothing is made here.
    let held = match dir.exists() {
        false => Ok(false),
        true => {
            RunDir::at(dir).map_err(GuardLockError::from).and_then(|run| GuardLock::is_held(&run))
        }
    };
    vec![judge(held)]
}

fn judge(held: Result<bool, GuardLockError>) -> Finding {
    match held {
        Ok(true) => Group::Guard.ok(CHECK, "a guard runs"),
        Ok(false) => Group::Guard.ok(
            CHECK,
            "no guard runs: what other tools take off a running container is not put back, and \
             `grant --for` is refused",
        ),
        Err(error) => {
            let found = format!("not known: {}", chain(&error));
            Group::Guard.degraded(CHECK, found, AS_ROOT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_guard_is_optional() {
        for (held, found) in [(true, "a guard runs"), (false, "no guard runs: ")] {
            let finding = judge(Ok(held));
            assert_eq!(finding.level, Level::Ok);
            assert!(finding.found.starts_with(found), "{finding:?}");
        }
        let path = "/x".into();
        assert_eq!(judge(Err(GuardLockError::Held { path })).level, Level::Degraded);
    }
}
