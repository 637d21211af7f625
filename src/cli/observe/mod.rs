//! `devgate observe`.

mod status;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use devgate::denials::{Started, Wanted, start, stop};
use devgate::errors::chain;
use devgate::observe::Method;
use serde::Serialize;

use super::{Exit, complain, who_lacks_rights};

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
    #[command(after_help = "Example:\n\x20 devgate observe stop")]
    Stop(Stop),
    /// Say what is observed, since when, and how full the observer's maps are
    #[command(
        after_help = "Exit codes: 0 observing; 1 it can't be told; 3 nothing is observed.\n\n\
Example:\n\x20 devgate observe status --json"
    )]
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
    let done = match &observe.what {
        What::Start(options) => run_start(options, out),
        What::Stop(options) => run_stop(options, out),
        What::Status(options) => status::run(options, out),
    };
    done.map_err(who_lacks_rights("observe needs root"))
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
