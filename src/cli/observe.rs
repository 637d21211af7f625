//! `devgate observe`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use devgate::denials::{Memory, Started, Status, Wanted, start, status, stop};
use devgate::errors::chain;
use devgate::observe::Method;
use serde::Serialize;

use super::granted::seconds;
use super::{Exit, complain, describe};

pub const HELP: &str = "\
The observer is a device program that allows everything and counts each request with its verdict.
It changes no policy. No process runs on: the kernel counts until `stop`, or until the machine is
restarted. `devgate denials` shows what was denied.

Exit codes: 0 done; for `status`: observing; 1 it could not be done, or a cgroup is not observed;
3 `status`: nothing is observed.

Examples:
  devgate observe start
  devgate observe status
  devgate denials";

#[derive(Debug, ClapArgs)]
pub struct Observe {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Observe each cgroup below the root, or cover those that are new
    #[command(after_help = START_HELP)]
    Start(Start),
    /// End the observer, and remove what it has counted
    Stop(Stop),
    /// Say what is observed, since when, and how full the observer's maps are
    Status(ShowStatus),
}

const START_HELP: &str = "\
A row is one kind of request: a device, an access and a verdict, of one cgroup. A container whose
rows are used up loses requests, which are counted; it takes no rows of others. A full map takes 140
bytes of the kernel's memory for each row: 72 MiB with the defaults, and 8 MiB while it is empty.

Where every cgroup is observed, the hook and the guard cover those that appear later.

Examples:
  devgate observe start
  devgate observe start --cgroup /sys/fs/cgroup/machine.slice --rows 1024 --containers 100";

#[derive(Debug, ClapArgs)]
pub struct Start {
    /// Observe this cgroup2 directory and what is below it, in place of everything
    #[arg(long, value_name = "DIR")]
    pub cgroup: Vec<PathBuf>,
    /// Rows for each container [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: Option<u32>,
    /// Containers [default: 2048]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub containers: Option<u32>,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Stop {
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct ShowStatus {
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

pub fn run(observe: &Observe, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    match &observe.what {
        What::Start(options) => run_start(options, out),
        What::Stop(options) => run_stop(options, out),
        What::Status(options) => run_status(options, out),
    }
}

#[derive(Serialize)]
struct StartedJson<'s> {
    new: bool,
    repaired: bool,
    method: &'static str,
    cgroups: Vec<String>,
    covered: Vec<String>,
    uncovered: Vec<Uncovered<'s>>,
}

#[derive(Serialize)]
struct Uncovered<'s> {
    cgroup: String,
    reason: &'s str,
}

fn run_start(options: &Start, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let (rows, containers) = (options.rows, options.containers);
    let started = start(&Wanted { cgroups: options.cgroup.clone(), rows, containers })?;
    let failed: Vec<(&PathBuf, String)> =
        started.covered.failed.iter().map(|(path, error)| (path, chain(error))).collect();
    if options.json {
        let uncovered = failed
            .iter()
            .map(|(path, reason)| Uncovered { cgroup: path.display().to_string(), reason });
        json(
            out,
            &StartedJson {
                new: started.is_new,
                repaired: started.repaired,
                method: word(started.method),
                cgroups: texts(&started.cgroups),
                covered: texts(&started.covered.new),
                uncovered: uncovered.collect(),
            },
        )?;
    } else {
        tell_start(&started, out)?;
    }
    for (path, reason) in &failed {
        complain(&format!("warning: {} is not observed: {reason}", path.display()));
    }
    // What can't be observed is a warning, unless nothing can.
    let nothing = started.cgroups.is_empty() && !failed.is_empty();
    Ok(if nothing { Exit::Failure } else { Exit::Success })
}

fn tell_start(started: &Started, out: &mut Vec<u8>) -> io::Result<()> {
    if started.repaired {
        writeln!(out, "removed what another start or stop had left half-way")?;
    }
    match (started.is_new, started.covered.new.len()) {
        (true, _) => writeln!(out, "observing {}", counted(started.cgroups.len()))?,
        (false, 0) => writeln!(out, "observing {} already", counted(started.cgroups.len()))?,
        (false, new) => {
            let before = started.cgroups.len().saturating_sub(new);
            writeln!(out, "observing {} as before, and {new} more", counted(before))?;
        }
    }
    if started.is_new && started.method == Method::Computed {
        writeln!(out, "{}", describe_method(started.method))?;
    }
    Ok(())
}

fn counted(cgroups: usize) -> String {
    format!("{cgroups} cgroup{}", if cgroups == 1 { "" } else { "s" })
}

fn run_stop(options: &Stop, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let was_there = stop()?;
    if options.json {
        json(out, &serde_json::json!({ "stopped": was_there }))?;
    } else {
        let done = if was_there { "stopped observing" } else { "nothing was observed" };
        writeln!(out, "{done}")?;
    }
    Ok(Exit::Success)
}

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

fn run_status(options: &ShowStatus, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
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
    writeln!(out, "containers with rows: {} of {}", fill.rooms, fill.most_rooms)?;
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

pub fn describe_method(method: Method) -> &'static str {
    match method {
        Method::Told => "the kernel tells the verdicts",
        Method::Computed => {
            "the kernel does not tell verdicts (before Linux 6.1): they are computed from the \
             programs that are attached when they are asked for"
        }
    }
}

/// How verdicts are known, in one word.
pub fn word(method: Method) -> &'static str {
    match method {
        Method::Told => "told",
        Method::Computed => "computed",
    }
}

fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

fn json(out: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
