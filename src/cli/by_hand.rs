//! `devgate apply` and `devgate detach`.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use devgate::cgroup::Cgroup;
use devgate::container::{ContainerId, RecordStore, container_id};
use devgate::enforce::{EnforceOptions, enforce};
use devgate::hold::{PINS, Pins};
use devgate::kernel::{self, ProgId};
use devgate::run_dir::RunDir;
use devgate::unit::{UnitMode, is_in_unit};

use super::args::{Apply, Detach};
use super::{Exit, complain, config, put_in_force, warn};

pub fn apply(apply: &Apply, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let prepared = config::prepared(&apply.rules)?;
    let cgroup = Cgroup::open(&apply.cgroup)?;
    let options = EnforceOptions::from(apply.attach);
    let recorded = recorded(&cgroup);
    let id = match container_id(cgroup.name()) {
        // Only a container in a unit needs an id.
        _ if options.unit == UnitMode::No || !is_in_unit(&cgroup) => None,
        Some(id) => Some(id),
        // An engine may name a container in its own way.
        None => match &recorded {
            Ok(id) => id.as_ref().map(ContainerId::as_str),
            Err(error) => bail!("whose cgroup it is can't be told: {error:#}"),
        },
    };
    let in_force = enforce(&cgroup, id, &prepared.verified, options)?;
    put_in_force(out, &in_force, prepared.verified.program().insns().len())?;
    if let Some(gate) = in_force.gating.sole() {
        writeln!(out, "the policy is the only gate of unit {}", gate.unit)?;
    }
    warn(&in_force.outcome, &in_force.warnings());
    if let Ok(Some(id)) = recorded {
        complain(&format!(
            "warning: the record of container {id} still has its own rules: grant, revoke and the \
             guard put these back; `devgate update {id} --config FILE` changes both"
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
fn recorded(cgroup: &Cgroup) -> anyhow::Result<Option<ContainerId>> {
    Ok(RecordStore::records(&RunDir::open()?)?.of_cgroup(cgroup.id()?)?)
}

/// Removes devgate's link to the cgroup if it holds this program: otherwise that stays in force.
fn release(cgroup: &Cgroup, id: ProgId) -> anyhow::Result<Option<PathBuf>> {
    // Where the directory can't be used, there is no link of devgate's.
    let Ok(pins) = Pins::open(Path::new(PINS)) else { return Ok(None) };
    let cgroup_id = cgroup.id()?;
    let holds = pins.get(cgroup_id)?.is_some_and(|link| link.program == id);
    Ok((holds && pins.release(cgroup_id)?).then(|| pins.path(cgroup_id)))
}
