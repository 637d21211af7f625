//! `devgate apply` and `devgate detach`.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::Context;
use devgate::cgroup::Cgroup;
use devgate::container::{ContainerId, RecordStore, container_id};
use devgate::enforce::enforce;
use devgate::hold::{PINS, Pins};
use devgate::kernel::{self, ProgId};
use devgate::run_dir::RunDir;

use super::args::{Apply, Detach};
use super::{Exit, complain, config, warn};

pub fn apply(apply: &Apply, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let prepared = config::prepared(&apply.rules)?;
    let cgroup = Cgroup::open(&apply.cgroup)?;
    let recorded = recorded(&cgroup);
    let id = match &recorded {
        Some(id) => Some(id.as_str()),
        None => container_id(cgroup.name()),
    };
    let in_force = enforce(&cgroup, id, &prepared.verified, apply.attach.into())?;
    let outcome = &in_force.outcome;
    let insns = prepared.verified.program().insns().len();
    writeln!(out, "attached program {} ({insns} instructions)", outcome.id)?;
    for id in &outcome.detached {
        writeln!(out, "detached program {id}")?;
    }
    if let Some(pin) = in_force.holding.pin() {
        writeln!(out, "held by link {}", pin.display())?;
    }
    for id in in_force.gating.detached() {
        writeln!(out, "detached program {id} of the unit")?;
    }
    if let Some(gate) = in_force.gating.sole() {
        writeln!(out, "the policy is the only gate of unit {}", gate.unit)?;
    }
    warn(outcome, &in_force.warnings());
    if let Some(id) = recorded {
        complain(&format!(
            "warning: the record of container {id} still has its own rules: grant, revoke and the \
             guard put these back; `devgate update {id}` changes both"
        ));
    }
    Ok(Exit::Success)
}

pub fn detach(detach: &Detach, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let cgroup = Cgroup::open(&detach.cgroup)?;
    let id = ProgId::new(detach.id);
    if let Some(pin) = release(&cgroup, id)? {
        writeln!(out, "removed link {} of program {id}", pin.display())?;
    }
    let was_attached = kernel::detach(cgroup.as_fd(), id)
        .with_context(|| format!("cgroup {}", cgroup.path().display()))?;
    match was_attached {
        true => writeln!(out, "detached program {id}")?,
        false => writeln!(out, "program {id} is not attached (any more)")?,
    }
    Ok(Exit::Success)
}

/// The container that has a record and whose cgroup this is.
fn recorded(cgroup: &Cgroup) -> Option<ContainerId> {
    let number = cgroup.id().ok();
    let records = RunDir::open().and_then(|dir| RecordStore::records(&dir)).ok();
    let listed = records.and_then(|records| records.list().ok()).into_iter().flatten();
    let mut recorded = listed.filter_map(|(_, record)| record.ok());
    recorded.find(|record| Some(record.cgroup.id) == number).map(|record| record.id)
}

/// Removes devgate's link to the cgroup if it holds this program: otherwise that stays in force.
fn release(cgroup: &Cgroup, id: ProgId) -> anyhow::Result<Option<PathBuf>> {
    // Where the directory can't be used, there is no link of devgate's.
    let Ok(pins) = Pins::open(Path::new(PINS)) else { return Ok(None) };
    let cgroup_id = cgroup.id()?;
    let holds = pins.get(cgroup_id)?.is_some_and(|link| link.program == id);
    Ok((holds && pins.release(cgroup_id)?).then(|| pins.path(cgroup_id)))
}
