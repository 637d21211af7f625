//! One run, and what the kernel showed of it.

use std::collections::HashSet;

use devgate::kernel::ProgId;

use super::allowed::{Allowed, Known};
use super::stage::Seen;
use super::tracee::Run;

/// A run and what the kernel showed.
pub struct Observed {
    pub run: Run,
    /// Before it.
    pub before: Seen,
    /// After each syscall that may have changed something, and at the end.
    pub states: Vec<Seen>,
    pub log: Option<String>,
    /// Standard error without the cgroup's path, which has numbers of its own.
    pub message: String,
    /// What the programs are that were seen.
    pub known: Known,
    /// What the container's policy allows.
    pub policy: Allowed,
    /// How many calls come before main.
    pub start: usize,
}

impl Observed {
    pub fn after(&self) -> &[ProgId] {
        &self.states.last().expect("there is an end").own
    }

    /// All there is to know of a run, for whoever mends what broke.
    pub fn transcript(&self) -> String {
        let mut text = String::new();
        for call in &self.run.calls {
            let effect = call.effect.map_or(String::new(), |effect| format!(" <- {effect:?}"));
            text += &format!("{} {}{}{effect}\n", call.row.name, call.nth, call.row.command());
        }
        for state in &self.states {
            text +=
                &format!("attached {}, in force {}\n", list(&state.own), list(&state.effective));
        }
        let Run { end, stdout, stderr, .. } = &self.run;
        let log = self.log.as_deref().unwrap_or("none\n");
        text + &format!(
            "before: {}\n{end:?}\nstdout: {stdout}\nstderr: {stderr}\nlog: {log}",
            list(&self.before.own)
        )
    }

    /// Programs that are not attached any more.
    pub fn gone(&self) -> Vec<ProgId> {
        difference(&self.before.own, self.after(), |_, after| after == 0)
    }

    /// Programs that were not attached before.
    pub fn come(&self) -> Vec<ProgId> {
        difference(self.after(), &self.before.own, |_, before| before == 0)
    }

    /// Programs that are not attached as often as before: a link may hold one that was attached.
    pub fn fewer(&self) -> Vec<ProgId> {
        difference(&self.before.own, self.after(), |before, after| after < before)
    }

    /// Programs that are attached more often than before.
    pub fn more(&self) -> Vec<ProgId> {
        difference(self.after(), &self.before.own, |after, before| before < after)
    }

    pub fn stayed(&self) -> impl Iterator<Item = &ProgId> {
        self.before.own.iter().filter(|id| self.after().contains(id))
    }
}

/// The programs of one list whose number in it and in the other is like this, each once.
fn difference(
    one: &[ProgId],
    other: &[ProgId],
    differs: impl Fn(usize, usize) -> bool,
) -> Vec<ProgId> {
    let count = |list: &[ProgId], id| list.iter().filter(|known| **known == id).count();
    let mut ids = one.to_vec();
    ids.retain(|id| differs(count(one, *id), count(other, *id)));
    let mut known = HashSet::new();
    ids.retain(|id| known.insert(*id));
    ids
}

/// Ids with commas between them.
pub fn list(ids: &[ProgId]) -> String {
    let texts: Vec<String> = ids.iter().map(ProgId::to_string).collect();
    texts.join(",")
}
