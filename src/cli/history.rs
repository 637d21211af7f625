//! `devgate history`.

use std::io::Write;

use clap::Args as ClapArgs;
use devgate::change::{Stores, find};
use devgate::container::{Action, Change, RuleList};
use serde::Serialize;

use super::granted::{seconds, user};
use super::{Exit, describe, table};

pub const HELP: &str = "\
The rules that were the same before and after a change are only counted.\n\n\
Examples:\n\
\x20 devgate history 630b76a2f65f\n\
\x20 devgate history 630b76a2f65f --json";

#[derive(Debug, ClapArgs)]
pub struct HistoryArgs {
    /// The container: the beginning of its id, a process id, or a cgroup2 directory
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Output<'r> {
    container: &'r str,
    dropped: u64,
    changes: Vec<&'r Change>,
}

pub fn run(args: &HistoryArgs, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let stores = Stores::open()?;
    let id = find(&stores, &args.container)?;
    let record = stores.records.get(&id)?.ok_or_else(|| stores.records.missing(&id))?;
    let history = &record.history;
    if args.json {
        let changes = history.changes().collect();
        let output = Output { container: id.as_str(), dropped: history.dropped(), changes };
        serde_json::to_writer(&mut *out, &output)?;
        writeln!(out)?;
        return Ok(Exit::Success);
    }
    if history.dropped() > 0 {
        writeln!(out, "{} older changes are not kept", history.dropped())?;
    }
    if history.changes().len() == 0 {
        writeln!(out, "nothing was changed")?;
        return Ok(Exit::Success);
    }
    table::write(out, ["TIME", "USER", "CHANGE", "RULES"], history.changes().flat_map(rows))?;
    Ok(Exit::Success)
}

/// A row for each rule that differs.
fn rows(change: &Change) -> Vec<[String; 4]> {
    let mut rules = signed("-", &change.before);
    rules.extend(signed("+", &change.after));
    if rules.is_empty() {
        rules.push("no rule differs".to_owned());
    }
    let mut rows: Vec<[String; 4]> =
        rules.into_iter().map(|rule| [String::new(), String::new(), String::new(), rule]).collect();
    if let Some(first) = rows.first_mut() {
        first[0] = seconds(&change.time.to_string());
        first[1] = describe::escaped(&user(&change.user));
        first[2] = word(change.action).to_owned();
    }
    rows
}

fn signed(sign: &str, list: &RuleList) -> Vec<String> {
    let mut lines: Vec<String> = list.rules.iter().map(|rule| format!("{sign} {rule}")).collect();
    if list.omitted > 0 {
        lines.push(format!("{sign} {} more", list.omitted));
    }
    lines
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Grant => "grant",
        Action::Revoke => "revoke",
        Action::Update => "update",
        Action::Expire => "expire",
        Action::Keep => "keep",
    }
}
