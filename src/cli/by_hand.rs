//! `devgate apply` and `devgate detach`.

use std::io::Write;
use std::os::fd::AsFd;

use anyhow::Context;
use devgate::cgroup::Cgroup;
use devgate::hook::enforce;
use devgate::kernel::{self, DirectAttach, Outcome, ProgId};

use super::args::{Apply, Detach};
use super::{Exit, complain, config};

pub fn apply(apply: &Apply, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let prepared = config::prepared(&apply.rules)?;
    let cgroup = Cgroup::open(&apply.cgroup)?;
    let how = DirectAttach { stale: apply.stale.into(), retval: apply.retval_programs.into() };
    let outcome = enforce(&cgroup, &prepared.verified, how)?;
    let Outcome { id, detached, left } = outcome;
    let insns = prepared.verified.program().insns().len();
    writeln!(out, "attached program {id} ({insns} instructions)")?;
    for id in detached {
        writeln!(out, "detached program {id}")?;
    }
    for (id, reason) in left {
        complain(&format!("warning: program {id} is left, for it {reason}"));
    }
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
