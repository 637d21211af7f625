//! What must hold of every run, whatever fails (DESIGN.md, "Attaching").

mod log;

use std::collections::BTreeSet;
use std::fmt;

use devgate::hold::HoldMode;
use devgate::kernel::{NAME_PREFIX, ProgId, Stale};
use nix::sys::signal::Signal;

use super::commands::{Command, Does};
use super::exceptions;
use super::observed::{Observed, list};
use super::tracee::End;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// It exits with 0 or 1, and says why it failed in one line.
    EndsOrderly,
    /// There is a program in force at each instant if there was one.
    NeverOpen,
    /// What is allowed at an instant is allowed by the old policy or by the new one.
    NeverWider,
    /// Exit 0: exactly one program is ours, and each stale one that stays is reported.
    SuccessIsComplete,
    /// Exit 1: the same programs as before, or a message that names each that differs.
    FailureChangesNothing,
    /// What is refused stays refused.
    RefusalHolds,
    /// After a kill, the next run does what the killed one was to do.
    KillsHeal,
    /// The log says what happened.
    LogIsTrue,
}

/// A rule that was broken, and how.
#[derive(Debug)]
pub struct Broken {
    pub rule: Rule,
    pub how: String,
    /// Why the rule does not apply after all.
    pub excuse: Option<&'static str>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.how)?;
        self.excuse.map_or(Ok(()), |excuse| write!(f, " (excused: {excuse})"))
    }
}

/// The rules that the run broke.
/// `must_fail`: nothing but a failure is right.
pub fn judge(command: &Command, must_fail: bool, seen: &Observed) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut check = |rule, holds: Result<(), String>| {
        if let Err(how) = holds {
            let excuse = exceptions::excuse(rule, &seen.run, seen.start);
            broken.push(Broken { rule, how, excuse });
        }
    };
    if command.does != Does::Detach {
        check(Rule::NeverOpen, never_open(seen));
        check(Rule::NeverWider, never_wider(seen));
    }
    match seen.run.end {
        End::Signal(Signal::SIGKILL) if seen.run.was_killed() => {}
        End::Code(0) => {
            let refused = (!must_fail).then_some(()).ok_or("exit 0".to_owned());
            check(Rule::RefusalHolds, refused);
            check(Rule::SuccessIsComplete, success_is_complete(command, seen));
            check(Rule::LogIsTrue, log::of_success(command, seen));
        }
        end => {
            check(Rule::EndsOrderly, ends_orderly(end, &seen.run.stderr));
            check(Rule::FailureChangesNothing, failure_changes_nothing(seen));
            check(Rule::LogIsTrue, log::of_failure(seen));
        }
    }
    broken
}

fn never_open(seen: &Observed) -> Result<(), String> {
    let open = seen.states.iter().any(|state| state.effective.is_empty());
    match open && !seen.before.effective.is_empty() {
        true => Err("at some instant no program was in force".to_owned()),
        false => Ok(()),
    }
}

fn never_wider(seen: &Observed) -> Result<(), String> {
    for state in &seen.states {
        let beyond = state.allowed.beyond(&[seen.before.allowed, seen.policy]);
        if !beyond.is_empty() {
            let ids = list(&state.effective);
            return Err(format!("with programs {ids} in force, {} are allowed", beyond.join(", ")));
        }
    }
    Ok(())
}

fn success_is_complete(command: &Command, seen: &Observed) -> Result<(), String> {
    let (come, stderr) = (seen.come(), &seen.message);
    let Does::Attach(stale) = command.does else {
        let first = seen.before.own.first().copied();
        return match come.is_empty() && seen.gone() == Vec::from_iter(first) {
            true => Ok(()),
            false => Err(format!("{} are attached", list(seen.after()))),
        };
    };
    let [ours] = come[..] else { return Err(format!("{} are new", list(&come))) };
    let program = seen.known.get(ours);
    if !program.name.starts_with(NAME_PREFIX) || program.allows != seen.policy {
        return Err(format!("program {ours} is not the policy's"));
    }
    for &id in seen.stayed() {
        let may_stay = match stale {
            Stale::All => false,
            Stale::Own => !seen.known.get(id).name.starts_with(NAME_PREFIX),
            Stale::None => true,
        };
        if !may_stay && !names(stderr, id) {
            return Err(format!("program {id} stays, and standard error does not say so"));
        }
    }
    if let Some(id) = seen.gone().iter().find(|id| names(stderr, **id)) {
        return Err(format!("program {id} is gone, and standard error speaks of it"));
    }
    let attached = seen.after().iter().filter(|id| **id == ours).count();
    let told = stderr.contains("no link holds the program");
    match (command.holds, attached) {
        (Some(_), 2) | (None, 1) => Ok(()),
        (Some(HoldMode::Try), 1) if told => Ok(()),
        (holds, attached) => Err(format!("{holds:?}: program {ours} is attached {attached} times")),
    }
}

fn ends_orderly(end: End, stderr: &str) -> Result<(), String> {
    let is_warning = |line: &&str| line.starts_with("devgate: warning: ");
    let lines: Vec<&str> = stderr.lines().filter(|line| !is_warning(line)).collect();
    match (end, &lines[..]) {
        (End::Code(1), [line]) if line.starts_with("devgate: ") => Ok(()),
        (End::Code(code), _) => Err(format!("exit {code}, {} lines of error", lines.len())),
        (End::Signal(signal), _) => Err(format!("ended by {signal}")),
    }
}

fn failure_changes_nothing(seen: &Observed) -> Result<(), String> {
    let stderr = &seen.message;
    for (what, ids) in [("gone", seen.fewer()), ("new", seen.more())] {
        if let Some(id) = ids.iter().find(|id| !names(stderr, **id)) {
            return Err(format!("program {id} is {what}, and standard error does not say so"));
        }
    }
    for (word, ids) in [
        ("missing ", seen.fewer()),
        ("added ", seen.more()),
        ("not put back ", seen.fewer()),
        ("not taken off ", seen.more()),
    ] {
        if let Some(claim) = claim(stderr, word)
            && claim != BTreeSet::from_iter(ids.clone())
        {
            return Err(format!("standard error says {word}{claim:?}, and it is {}", list(&ids)));
        }
    }
    Ok(())
}

/// The ids after a word, with commas between them.
fn claim(text: &str, word: &str) -> Option<BTreeSet<ProgId>> {
    let (_, rest) = text.split_once(word)?;
    let ids = rest.split([';', ':', '\n']).next()?;
    Some(ids.split(", ").filter_map(|id| id.parse().ok()).map(ProgId::new).collect())
}

/// Whether a text has the id as a word.
fn names(text: &str, id: ProgId) -> bool {
    let id = id.to_string();
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == id)
}

#[cfg(test)]
mod tests;
