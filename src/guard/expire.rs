//! Grants whose time is over.

use super::event::Restored;
use crate::change::{ChangeError, Difference, Edit, Mode, OldNodes, Options, Stores, change};
use crate::container::{ContainerId, Holder, RecordStore, Time, User};

/// What ended.
#[derive(Debug)]
pub(super) struct Expired {
    pub found: Vec<String>,
    pub restored: Box<Restored>,
    pub warnings: Vec<String>,
}

/// Ends the grants of a container whose time is over by now, and removes the nodes that devgate made
/// for them. `None` if another process changes the container now.
pub(super) fn expire(
    records: &RecordStore,
    id: &ContainerId,
    now: Time,
) -> Result<Option<Expired>, ChangeError> {
    // A change may take long, and this one waits for its lock.
    if records.try_lock(id)?.is_none() {
        return Ok(None);
    }
    let options = Options { user: User::current(), old_nodes: OldNodes::Remove, mode: Mode::Do };
    let report = change(&Stores::open()?, id, Edit::Expire(now), &options)?;
    let Some(in_force) = report.in_force else { return Ok(None) };
    let found = report.differences.iter().filter_map(|difference| match difference {
        Difference::Removed(rule) => Some(format!("the time of \"{rule}\" is over")),
        Difference::Added(_) => None,
    });
    let mut warnings = report.warnings;
    warnings.extend(in_force.warnings());
    warnings.extend(report.holders.iter().map(still_open));
    let restored = Box::new(Restored { in_force, insns: report.insns });
    Ok(Some(Expired { found: found.collect(), restored, warnings }))
}

fn still_open(holder: &Holder) -> String {
    let Holder { pid, command, device, .. } = holder;
    format!("process {pid} ({command}) still has {device} open")
}
