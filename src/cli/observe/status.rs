//! `devgate observe status`.

use std::io::{self, Write};

use devgate::denials::{Memory, Status, status};
use serde::Serialize;

use super::{ShowStatus, Uncovered, describe_method, json, texts, word};
use crate::cli::granted::seconds;
use crate::cli::{Exit, describe};

#[derive(Serialize)]
struct StatusJson<'s> {
    observing: bool,
    since: String,
    method: &'static str,
    program: u32,
    cgroups: Vec<String>,
    uncovered: Vec<Uncovered<'s>>,
    rows: Room,
    containers: Room,
    rows_per_container: u32,
    ended_containers: usize,
    lost: u64,
    lost_without_room: u64,
    memory_bytes: MemoryJson,
}

#[derive(Serialize)]
struct Room {
    used: u32,
    most: u32,
}

#[derive(Serialize)]
struct MemoryJson {
    now: u64,
    full: u64,
}

pub(super) fn run(options: &ShowStatus, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let Some(status) = status()? else {
        match options.json {
            true => json(out, &serde_json::json!({ "observing": false }))?,
            false => writeln!(out, "nothing is observed (devgate observe start)")?,
        }
        return Ok(Exit::Denied);
    };
    let memory = Memory::of(&status.fill);
    match options.json {
        true => json(out, &status_json(&status, memory))?,
        false => tell_status(&status, memory, out)?,
    }
    Ok(Exit::Success)
}

fn status_json(status: &Status, memory: Memory) -> StatusJson<'_> {
    let uncovered = status
        .uncovered
        .iter()
        .map(|(path, reason)| Uncovered { cgroup: path.display().to_string(), reason });
    let fill = &status.fill;
    StatusJson {
        observing: true,
        since: status.since.to_string(),
        method: word(status.method),
        program: status.program,
        cgroups: texts(&status.cgroups),
        uncovered: uncovered.collect(),
        rows: Room { used: fill.rows, most: fill.most_rows },
        containers: Room { used: fill.rooms, most: fill.most_rooms },
        rows_per_container: status.size.per_container,
        ended_containers: status.ended,
        lost: status.lost,
        lost_without_room: status.lost_without_room,
        memory_bytes: MemoryJson { now: memory.now, full: memory.full },
    }
}

fn tell_status(status: &Status, memory: Memory, out: &mut Vec<u8>) -> io::Result<()> {
    let fill = &status.fill;
    let since = seconds(&status.since.to_string());
    writeln!(out, "observing since {since} by program {}", status.program)?;
    writeln!(out, "{}", describe_method(status.method))?;
    let mut cgroups = texts(&status.cgroups);
    cgroups.sort();
    writeln!(out, "cgroups: {}", describe::escaped(&listed(&cgroups)))?;
    for (path, reason) in &status.uncovered {
        let line = format!("not observed: {} ({reason})", path.display());
        writeln!(out, "{}", describe::escaped(&line))?;
    }
    writeln!(
        out,
        "rows: {} of {} ({} for each container)",
        fill.rows, fill.most_rows, status.size.per_container
    )?;
    writeln!(out, "containers with a room: {} of {}", fill.rooms, fill.most_rooms)?;
    writeln!(out, "ended containers that were denied something: {}", status.ended)?;
    writeln!(out, "lost requests: {}", lost(status))?;
    writeln!(out, "memory: {} now, {} when full", mib(memory.now), mib(memory.full))
}

fn lost(status: &Status) -> String {
    match status.lost_without_room {
        0 => status.lost.to_string(),
        without => format!(
            "{}, {without} of them because {} cgroups had used all room (devgate gc makes some)",
            status.lost, status.fill.most_rooms
        ),
    }
}

fn listed(paths: &[String]) -> String {
    match paths {
        [] => "none yet".to_owned(),
        paths => paths.join(", "),
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
