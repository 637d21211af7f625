//! Measures devgate beside its peers on this machine, in one run, side by side: see README.md.
//! Prints tables, ratios first, and writes JSON.

mod args;
mod attached;
mod cgroup;
mod change;
mod containers;
mod counts;
mod crowd;
mod goals;
mod guard;
mod hooks;
mod janitor;
mod loads;
mod observed;
mod opener;
mod policy;
mod programs;
mod report;
mod runtime;
mod samples;
mod spawn;
mod sys;
mod table;
mod tools;
mod world;

use std::io::{IsTerminal, Write};

use clap::Parser;

use args::{Args, Role};
use policy::Policy;
use programs::Programs;
use report::Report;
use tools::Tools;
use world::World;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.role {
        Some(Role::Opener) => opener::work(),
        Some(Role::Janitor { cgroup, dir }) => janitor::work(&cgroup, &dir),
        None => bench(args),
    }
}

fn bench(args: Args) -> anyhow::Result<()> {
    let effort = args.effort();
    let tools = Tools::find(args.devgate.clone(), args.libcgroups.clone())?;
    let world = World::set_up()?;
    let tools = tools.copied(&world)?;
    let mut report = Report::new(effort)?;
    if args.wants(1) {
        measure_hooks(&mut report, &world, &tools)?;
    }
    if args.wants(2) || args.wants(3) {
        measure_programs(&mut report, &world, &tools)?;
    }
    if args.wants(4) {
        report.containers = containers::measure(&world, &tools, effort.container)?;
    }
    if args.wants(5) {
        report.counts = counts::count()?;
    }
    if args.wants(6) {
        report.changes = change::measure(&world, &tools, effort.hook)?;
    }
    if args.wants(7) {
        report.guard = Some(guard::measure(&world, &tools, effort.guard)?);
    }
    if args.wants(8) {
        report.opens = observed::measure(&world, &tools, effort.observed)?;
        report.flood = Some(observed::flood(&world, &tools, effort.observed)?);
        report.crowd = Some(crowd::measure(&world, &tools, effort.crowd)?);
    }
    drop(world);
    report.judge();
    if let Some(dir) = args.json.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(&args.json, serde_json::to_string_pretty(&report)? + "\n")?;
    progress("", 0, 0);
    Ok(std::io::stdout().write_all(table::text(&report).as_bytes())?)
}

fn measure_hooks(report: &mut Report, world: &World, tools: &Tools) -> anyhow::Result<()> {
    let effort = report.effort;
    for (policy, rounds) in [
        (Policy::podman(), effort.hook),
        (Policy::containerd(), effort.hook),
        (Policy::random_1_000(), effort.hook),
        (Policy::few_majors(), effort.slow_hook),
        (Policy::mixed_1_000(), effort.hook),
        (Policy::random_10_000(), effort.large_hook),
    ] {
        report.hooks.push(hooks::measure(world, tools, &policy, rounds, effort.failing_hook)?);
    }
    Ok(())
}

fn measure_programs(report: &mut Report, world: &World, tools: &Tools) -> anyhow::Result<()> {
    let effort = report.effort;
    for policy in [Policy::podman(), Policy::random_1_000(), Policy::few_majors()] {
        let programs = Programs::for_policy(world, tools, &policy)?;
        report.attached.push(attached::measure(world, &policy, &programs, effort.attached)?);
        report.loads.extend(loads::measure(&policy, &programs, effort.load)?);
    }
    for (policy, rounds) in [
        (Policy::podman(), effort.compile),
        (Policy::random_1_000(), effort.compile),
        (Policy::mixed_1_000(), effort.compile),
        (Policy::random_10_000(), effort.large_compile),
        (Policy::mixed_10_000(), effort.large_compile),
    ] {
        report.compiled.push(loads::compile_and_verify(&policy, rounds)?);
    }
    Ok(())
}

/// `return 1`, as raw instructions.
fn return_1() -> Vec<u8> {
    vec![0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]
}

/// Says on a terminal what is being measured.
fn progress(what: &str, round: usize, rounds: usize) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        let shown =
            if what.is_empty() { String::new() } else { format!("{what} {round}/{rounds}") };
        // A terminal that is gone does not matter.
        let _ = write!(terminal, "\r\x1b[K{shown}");
    }
}
