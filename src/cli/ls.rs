//! `devgate ls`.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use devgate::cgroup::Cgroup;
use devgate::inspect::{Links, Listed, list};
use devgate::kernel::Program;
use serde::Serialize;

use super::args::Ls;
use super::{Exit, describe, table};

#[derive(Serialize)]
struct Entry<'l> {
    cgroup: String,
    container: Option<&'l str>,
    programs: Vec<u32>,
    held: Vec<u32>,
    observers: Vec<u32>,
    summary: String,
    marks: Vec<String>,
}

pub fn run(ls: &Ls, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let root = match &ls.cgroup {
        Some(dir) => Cgroup::open(dir)?,
        None => Cgroup::top()?,
    };
    let links = Links::read().context("listing bpf_links")?;
    let listed = list(root.path(), &links)?;
    if ls.json {
        serde_json::to_writer(&mut *out, &listed.iter().map(entry).collect::<Vec<_>>())?;
        writeln!(out)?;
    } else if listed.is_empty() {
        writeln!(out, "no cgroup has a device program of its own")?;
    } else {
        let header = ["CGROUP", "CONTAINER", "PROGRAMS", "SUMMARY", "MARKS"];
        table::write(out, header, rows(root.path(), &listed))?;
    }
    Ok(Exit::Success)
}

fn entry(listed: &Listed) -> Entry<'_> {
    Entry {
        cgroup: listed.cgroup.display().to_string(),
        container: listed.container.as_deref(),
        programs: listed.programs.iter().map(|program| program.id.number()).collect(),
        held: listed.held.iter().map(|id| id.number()).collect(),
        observers: listed.observers.iter().map(|id| id.number()).collect(),
        summary: listed.summary.to_string(),
        marks: listed.marks.iter().map(ToString::to_string).collect(),
    }
}

/// Each cgroup by its path below the listed one above it.
fn rows(root: &Path, listed: &[Listed]) -> Vec<[String; 5]> {
    let mut above: Vec<&Path> = Vec::new();
    let mut rows = Vec::with_capacity(listed.len());
    for cgroup in listed {
        above.truncate(cgroup.depth);
        let base = above.last().copied().unwrap_or(root);
        let below = cgroup.cgroup.strip_prefix(base).unwrap_or(&cgroup.cgroup);
        let place = match (above.is_empty(), below.as_os_str().is_empty()) {
            (_, true) => cgroup.cgroup.display().to_string(),
            (true, false) => format!("/{}", below.display()),
            (false, false) => format!("{}└ {}", "  ".repeat(above.len() - 1), below.display()),
        };
        rows.push([
            describe::escaped(&place),
            describe::escaped(cgroup.container.as_deref().map_or("-", short)),
            programs(cgroup),
            cgroup.summary.to_string(),
            cgroup.marks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        ]);
        above.push(&cgroup.cgroup);
    }
    rows
}

/// As engines shorten ids.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn programs(cgroup: &Listed) -> String {
    let one = |program: &Program| {
        let held = if cgroup.held.contains(&program.id) { ", held by link" } else { "" };
        match program.name.as_str() {
            "" => format!("{}{held}", program.id),
            name => format!("{} {}{held}", program.id, describe::escaped(name)),
        }
    };
    let (observers, others): (Vec<&Program>, Vec<&Program>) =
        cgroup.programs.iter().partition(|program| cgroup.observers.contains(&program.id));
    let others = match others.as_slice() {
        [] => None,
        [only] => Some(one(only)),
        [first, rest @ ..] => Some(format!("{} and {} more", one(first), rest.len())),
    };
    let observed = observers.iter().map(|program| format!("observed by {}", program.id));
    others.into_iter().chain(observed).collect::<Vec<_>>().join("; ")
}
