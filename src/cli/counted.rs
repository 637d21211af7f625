//! Each run of the hook is counted, whatever becomes of it.

use std::time::Duration;

use devgate::errors::chain;
use devgate::hook::stats::{self, Ended, Reason, Run, StatsError};
use devgate::hook::{Enforced, HookError, ReleaseError, Released};
use devgate::oci::Stage;

use super::complain;

/// How a run at createRuntime ended.
pub fn ended(outcome: &Result<Enforced, HookError>) -> Ended {
    match outcome {
        Ok(Enforced::Attached { .. }) => Ended::Succeeded,
        Ok(Enforced::Skipped { .. }) => Ended::Skipped,
        Err(error) => Ended::Failed(error.into()),
    }
}

/// How a run at poststop ended.
pub fn released(outcome: &Result<Released, ReleaseError>) -> Ended {
    match outcome {
        Ok(Released::All { .. } | Released::InUse { .. }) => Ended::Succeeded,
        Ok(Released::Skipped { .. }) => Ended::Skipped,
        Err(_) => Ended::Failed(Reason::Release),
    }
}

/// Counts a run. No container fails because that can't be done: then standard error says why, and
/// the line is returned for the log.
pub fn count(stage: Option<Stage>, ended: Ended, took: Duration) -> Option<String> {
    let warning = match stats::count(Run { stage, ended, took }) {
        Ok(None) => return None,
        Ok(Some(replaced)) => format!("the hook's statistics begin anew: {replaced}"),
        // In a user namespace there is no directory for them.
        Err(_) if ended == Ended::Skipped => return None,
        // What the run failed of is said, and `devgate metrics` says this.
        Err(StatsError::RunDir(_)) if matches!(ended, Ended::Failed(_)) => return None,
        Err(error) => format!("this run is not counted: {}", chain(&error)),
    };
    complain(&format!("warning: {warning}"));
    Some(warning)
}
