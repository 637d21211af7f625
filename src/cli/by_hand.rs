//! `devgate apply` and `devgate detach`.

use std::io::Write;
use std::os::fd::AsFd;

use anyhow::Context;
use devgate::cgroup::Cgroup;
use devgate::enforce::enforce;
use devgate::kernel::{self, ProgId};

use super::args::{Apply, Detach};
use super::{Exit, config, warn};

pub fn apply(apply: &Apply, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let prepared = config::prepared(&apply.rules)?;
    let cgroup = Cgroup::open(&apply.cgroup)?;
    let outcome = enforce(&cgroup, &prepared.verified, apply.attach.into())?;
    let insns = prepared.verified.program().insns().len();
    writeln!(out, "attached program {} ({insns} instructions)", outcome.id)?;
    for id in &outcome.detached {
        writeln!(out, "detached program {id}")?;
    }
    warn(&outcome);
    Ok(Exit::Success)
}

pub fn detach(detach: &Detach, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let cgroup = Cgroup::open(&detach.cgroup)?;
    let id = ProgId::new(detach.id);
    let was_attached = kernel::detach(cgroup.as_fd(), id)
        .with_context(|| format!("cgroup {}", cgroup.path().display()))?;
    match was_attached {
        true => writeln!(out, "detached program {id}")?,
        false => writeln!(out, "program {id} is not attached (any more)")?,
    }
    Ok(Exit::Success)
}
