//! A look at a container's cgroup.

use std::os::fd::AsFd;

use super::decide::{Identity, Maker, Seen};
use crate::bpf::{self, Op};
use crate::cgroup::Cgroup;
use crate::hold::{HoldError, Pins};
use crate::inspect::{Generator, Meaning};
use crate::kernel::{Attached, ProgId, Program, QueryError, Symbols, query};
use crate::policy::Policy;
use crate::verify::verify;

/// What programs each cgroup has, and what each is to this policy. The first is the container's
/// own. `ours` is known to be the policy.
pub(super) fn look<'a>(
    cgroups: impl Iterator<Item = &'a Cgroup>,
    link: Option<ProgId>,
    policy: &Policy,
    ours: Option<ProgId>,
) -> Result<(Vec<Attached>, Seen), QueryError> {
    let symbols = Symbols::default();
    let mut lists = Vec::new();
    let mut known: Vec<(ProgId, Identity)> = Vec::new();
    known.extend(ours.map(|id| (id, Identity::Policy)));
    let mut seen = Seen { entries: Vec::new(), link, above: Vec::new() };
    for (place, cgroup) in cgroups.enumerate() {
        let attached = query(cgroup.as_fd())?;
        for &id in &attached.ids {
            let identity = match known.iter().find(|(other, _)| *other == id) {
                Some((_, identity)) => identity.clone(),
                None => identify(id, policy, &symbols),
            };
            known.push((id, identity.clone()));
            match place {
                0 => seen.entries.push((id, identity)),
                _ => seen.above.push((cgroup.path().to_owned(), id, identity)),
            }
        }
        lists.push(attached);
    }
    Ok((lists, seen))
}

/// The program of the cgroup's link. Without a directory of pins there is none.
pub(super) fn linked(pins: Option<&Pins>, cgroup_id: u64) -> Result<Option<ProgId>, HoldError> {
    let Some(pins) = pins else { return Ok(None) };
    Ok(pins.get(cgroup_id)?.map(|link| link.program))
}

/// A program is the policy if it is proven to be, whatever its name. One that calls helpers is
/// not: it could set the return value of others, which is no part of the proof.
fn identify(id: ProgId, policy: &Policy, symbols: &Symbols) -> Identity {
    let unknown = Maker { generator: None, name: String::new() };
    let Ok(program) = Program::by_id(id) else { return Identity::Other(unknown) };
    let insns = program.insns();
    let code = insns.as_ref().ok().map(|insns| bpf::Program::new(insns.clone()));
    if program.is_named_observer() && Meaning::of_attached(&program, insns, symbols).looks_on() {
        return Identity::Observer;
    }
    let generator = Generator::of(&program.name, code.as_ref());
    match code.filter(|code| !calls(code)).map(|code| verify(code, policy)) {
        Some(Ok(_)) => Identity::Policy,
        Some(Err(_)) | None => Identity::Other(Maker { generator, name: program.name }),
    }
}

fn calls(code: &bpf::Program) -> bool {
    let insns = code.insns();
    let op = |index| bpf::decode(insns, index).map(|decoded| decoded.op);
    (0..insns.len()).any(|index| matches!(op(index), Ok(Op::Call { .. })))
}
