//! `devgate inspect`.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use devgate::cgroup::Cgroup;
use devgate::kernel::{Attached, Program, query};
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::args::{Inspect, Target};
use super::{Exit, table};

#[derive(Serialize)]
struct Report {
    cgroup: PathBuf,
    flags: Option<String>,
    revision: Option<u64>,
    programs: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    id: u32,
    name: String,
    tag: String,
    uid: u32,
    loaded: String,
    instructions: usize,
}

pub fn run(inspect: &Inspect, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let cgroup = open(&inspect.target)?;
    let report = report(&cgroup).with_context(|| format!("cgroup {}", cgroup.path().display()))?;
    if inspect.json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        text(&report, out)?;
    }
    Ok(Exit::Success)
}

fn open(target: &Target) -> anyhow::Result<Cgroup> {
    match (&target.cgroup, target.pid) {
        (Some(dir), _) => Ok(Cgroup::open(dir)?),
        (None, Some(pid)) => Ok(Cgroup::of_process(pid)?),
        (None, None) => anyhow::bail!("--cgroup or --pid is needed"),
    }
}

fn report(cgroup: &Cgroup) -> anyhow::Result<Report> {
    let Attached { ids, flags, revision } = query(cgroup.as_fd())?;
    let boot = boot_time()?;
    let mut programs = Vec::new();
    for id in &ids {
        let program = Program::by_id(*id)?;
        let loaded = humantime::format_rfc3339_seconds(boot + program.load_time);
        programs.push(Entry {
            id: id.number(),
            tag: program.tag_text(),
            name: program.name,
            uid: program.uid,
            loaded: loaded.to_string(),
            instructions: program.insn_count,
        });
    }
    Ok(Report {
        cgroup: cgroup.path().to_owned(),
        flags: (!ids.is_empty()).then(|| flags.to_string()),
        revision,
        programs,
    })
}

fn boot_time() -> anyhow::Result<SystemTime> {
    let up = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
    Ok(SystemTime::now() - up)
}

fn text(report: &Report, out: &mut Vec<u8>) -> anyhow::Result<()> {
    writeln!(out, "cgroup {}", report.cgroup.display())?;
    let Some(flags) = &report.flags else {
        writeln!(out, "no device program is attached to it")?;
        return Ok(());
    };
    let header = ["ID", "NAME", "TAG", "FLAGS", "INSNS", "UID", "LOADED"];
    let rows = report.programs.iter().map(|program| {
        [
            program.id.to_string(),
            program.name.escape_default().to_string(),
            program.tag.clone(),
            flags.clone(),
            program.instructions.to_string(),
            program.uid.to_string(),
            program.loaded.clone(),
        ]
    });
    table::write(out, header, rows)?;
    Ok(())
}
