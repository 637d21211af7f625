//! What the hook's log must say of a run.

use devgate::kernel::{ProgId, Stale};

use super::super::commands::{Command, Does};
use super::super::observed::{Observed, list};

/// A run that succeeded: the program, those that are gone, and those that stay.
pub fn of_success(command: &Command, seen: &Observed) -> Result<(), String> {
    if !command.logs {
        return Ok(());
    }
    let Some(line) = line(seen, "attached") else { return given_up(seen) };
    let field = |key: &str| line.split(' ').find_map(|word| word.strip_prefix(key));
    let ids = |text: &str| {
        let mut ids: Vec<u32> = text.split(',').filter_map(|id| id.parse().ok()).collect();
        ids.sort_unstable();
        ids
    };
    for (key, expected) in [("program=", seen.come()), ("detached=", seen.gone())] {
        let found = field(key).unwrap_or_default();
        if ids(found) != ids(&list(&expected)) {
            return Err(format!("the log says {key}{found} of {}", list(&expected)));
        }
    }
    let is_silent = |id: &&ProgId| !line.contains(&format!("left=\"{id} "));
    match seen.stayed().find(is_silent) {
        Some(id) if command.does == Does::Attach(Stale::All) => {
            Err(format!("program {id} stays, and the log does not say so"))
        }
        _ => Ok(()),
    }
}

/// A run that failed. There is a log once it could be opened; if that is what failed, standard
/// error says so, and the log may have been made by then.
pub fn of_failure(seen: &Observed) -> Result<(), String> {
    let is_of_the_log = seen.message.lines().any(|line| line.starts_with("devgate: log "));
    match seen.log.is_none() || is_of_the_log || line(seen, "failed").is_some() {
        true => Ok(()),
        false => given_up(seen),
    }
}

/// A log that can't be written stops no container; standard error says so.
fn given_up(seen: &Observed) -> Result<(), String> {
    let warned = seen.message.lines().any(|line| line.starts_with("devgate: warning: log "));
    warned.then_some(()).ok_or("the log has no line of it, and nothing warns of that".to_owned())
}

fn line<'s>(seen: &'s Observed, result: &str) -> Option<&'s str> {
    let mut lines = seen.log.as_ref()?.lines();
    lines.find(|line| line.contains(&format!(" devgate {result} ")))
}
