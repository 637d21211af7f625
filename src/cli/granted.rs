//! `devgate grants` and `devgate forget`.

use std::io::Write;

use clap::Args as ClapArgs;
use devgate::change::{Stores, beginning, find, forget as forget_kept};
use devgate::container::{ContainerId, Grant, Record};
use serde::Serialize;

use super::{Exit, complain, describe, table};

pub const GRANTS_HELP: &str = "\
Examples:\n\
\x20 devgate grants\n\
\x20 devgate grants 630b76a2f65f --json";

pub const FORGET_HELP: &str = "\
What the container may do until it ends stays as it is.\n\n\
Example:\n\
\x20 devgate forget 630b76a2f65f";

#[derive(Debug, ClapArgs)]
pub struct GrantsArgs {
    /// The container: the beginning of its id, a process id, or a cgroup2 directory; all of them
    /// without it
    #[arg(value_name = "CONTAINER")]
    pub container: Option<String>,
    /// As a JSON array
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct ForgetArgs {
    /// The container, which need not run: its id, or the beginning of it
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}

/// A grant with its container.
#[derive(Serialize)]
struct Entry<'g> {
    container: &'g ContainerId,
    rule: String,
    device: &'g str,
    node: Option<&'g str>,
    node_is_ours: bool,
    time: String,
    user: String,
    expires: Option<String>,
    keep: bool,
}

pub fn grants(args: &GrantsArgs, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let stores = Stores::open()?;
    let mut exit = Exit::Success;
    let mut records: Vec<Record> = Vec::new();
    match &args.container {
        Some(name) => {
            let id = find(&stores, name)?;
            records.push(stores.records.get(&id)?.ok_or_else(|| stores.records.missing(&id))?);
        }
        None => {
            for (_, record) in stores.records.list()? {
                match record {
                    Ok(record) => records.push(record),
                    Err(error) => {
                        complain(&format!("{:#}", anyhow::Error::new(error)));
                        exit = Exit::Failure;
                    }
                }
            }
        }
    }
    // Of a container that does not run, there is only what is kept.
    let mut kept: Vec<(ContainerId, Vec<Grant>)> = Vec::new();
    if args.container.is_none() {
        for id in stores.kept_ids()? {
            if !records.iter().any(|record| record.id == id) {
                let grants = stores.kept_of(&id)?.map(|kept| kept.grants);
                kept.extend(grants.map(|grants| (id, grants)));
            }
        }
    }
    let recorded = records.iter().flat_map(|record| entries(&record.id, &record.grants));
    let kept = kept.iter().flat_map(|(id, grants)| entries(id, grants));
    let entries: Vec<Entry<'_>> = recorded.chain(kept).collect();
    if args.json {
        serde_json::to_writer(&mut *out, &entries)?;
        writeln!(out)?;
    } else if entries.is_empty() {
        writeln!(out, "nothing was granted or revoked")?;
    } else {
        let header = ["CONTAINER", "RULE", "DEVICE", "NODE", "SINCE", "USER", "UNTIL", "KEPT"];
        table::write(out, header, entries.iter().map(row))?;
    }
    Ok(exit)
}

fn entries<'g>(container: &'g ContainerId, grants: &'g [Grant]) -> impl Iterator<Item = Entry<'g>> {
    // A grant of nothing stands for a node that is still to be removed.
    let grants = grants.iter().filter(|grant| !grant.rule.access().is_none());
    grants.map(move |grant| Entry {
        container,
        rule: grant.rule.to_string(),
        device: &grant.device,
        node: grant.path.as_ref().map(|path| path.as_str()),
        node_is_ours: grant.node.is_some(),
        time: grant.time.to_string(),
        user: user(&grant.user),
        expires: grant.expires.map(|time| time.to_string()),
        keep: grant.keep,
    })
}

fn row(entry: &Entry<'_>) -> [String; 8] {
    let id = entry.container.as_str();
    [
        id.get(..12).unwrap_or(id).to_owned(),
        entry.rule.clone(),
        describe::escaped(entry.device),
        describe::escaped(entry.node.unwrap_or("-")),
        seconds(&entry.time),
        describe::escaped(&entry.user),
        entry.expires.as_deref().map_or("-".to_owned(), seconds),
        if entry.keep { "yes" } else { "no" }.to_owned(),
    ]
}

/// A time without its milliseconds.
pub fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

/// A user's name, or else the id.
pub fn user(user: &devgate::container::User) -> String {
    user.name.clone().unwrap_or_else(|| user.uid.to_string())
}

pub fn forget(args: &ForgetArgs, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let stores = Stores::open()?;
    let ids = stores.kept_ids()?;
    let Some(id) = beginning(ids, &args.container, |_| true)? else {
        let beginning = describe::escaped(&args.container);
        writeln!(out, "nothing is kept for a container whose id begins with {beginning}")?;
        return Ok(Exit::Success);
    };
    let forgotten = forget_kept(&stores, &id)?;
    for Grant { rule, device, .. } in forgotten {
        writeln!(out, "- {rule}  {} (container {id})", describe::escaped(&device))?;
    }
    Ok(Exit::Success)
}
