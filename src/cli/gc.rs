//! `devgate gc`.

use std::io::Write;

use clap::Args as ClapArgs;
use devgate::denials::Moved;
use devgate::errors::chain;
use devgate::gc::{GcError, Mode, denials, pins, recordings, records};
use serde::Serialize;

use super::{Exit, complain};

#[derive(Debug, ClapArgs)]
pub struct Gc {
    /// Remove nothing; say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Report<'r> {
    dry_run: bool,
    pins: Kind<'r, u64>,
    records: Kind<'r, String>,
    recordings: Kind<'r, String>,
    denials: Option<Denials>,
    errors: Vec<String>,
}

/// Of how many containers that ended the observer's rows were moved to files, and of how many there
/// was nothing to keep.
#[derive(Serialize)]
struct Denials {
    moved: usize,
    forgotten: usize,
}

#[derive(Serialize)]
struct Kind<'r, T> {
    dead: &'r [T],
    in_use: usize,
}

pub fn run(gc: &Gc, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let mode = if gc.dry_run { Mode::DryRun } else { Mode::Remove };
    let (recordings, denials) = (recordings(mode), denials(mode));
    let (pins, records) = (pins(mode), records(mode));
    let failed = pins.failed.iter().chain(&records.failed).chain(&recordings.failed);
    let failed = failed.chain(denials.as_ref().err());
    let errors: Vec<String> = failed.map(|error: &GcError| chain(error)).collect();
    let denials = denials.unwrap_or_default();
    if gc.json {
        let ids: Vec<String> = records.dead.iter().map(ToString::to_string).collect();
        let names: Vec<String> = recordings.dead.iter().map(ToString::to_string).collect();
        let report = Report {
            dry_run: gc.dry_run,
            pins: Kind { dead: &pins.dead, in_use: pins.in_use },
            records: Kind { dead: &ids, in_use: records.in_use },
            recordings: Kind { dead: &names, in_use: recordings.in_use },
            denials: denials.map(|Moved { kept, forgotten }| Denials { moved: kept, forgotten }),
            errors: errors.clone(),
        };
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        let done = if gc.dry_run { "would remove" } else { "removed" };
        let dead = both(pins.dead.len(), records.dead.len());
        let in_use = both(pins.in_use, records.in_use);
        writeln!(out, "{done} {dead} of containers that ended; in use: {in_use}")?;
        let done = if gc.dry_run { "would write" } else { "wrote" };
        for name in &recordings.dead {
            writeln!(out, "{done} recording {name} of a container that ended")?;
        }
        if let Some(Moved { kept, forgotten }) = denials.filter(|it| it.kept + it.forgotten > 0) {
            let done = if gc.dry_run { "would free" } else { "freed" };
            let of = counted(kept + forgotten, "container");
            writeln!(
                out,
                "{done} the rows of {of} that ended; {kept} had denials, which are kept"
            )?;
        }
    }
    errors.iter().for_each(|error| complain(error));
    Ok(if errors.is_empty() { Exit::Success } else { Exit::Failure })
}

fn both(pins: usize, records: usize) -> String {
    format!("{} and {}", counted(pins, "pin"), counted(records, "record"))
}

fn counted(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}
