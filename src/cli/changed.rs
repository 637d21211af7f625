//! What a change of a container's policy came to, as text.

use std::io::{self, Write};

use devgate::change::{
    ChangeError, Difference, Edit, Mode, NodeDone, Options, Report, Stores, change,
};
use devgate::container::{ContainerId, Hold, Holder};

use super::names::Names;
use super::{Exit, complain, describe, put_in_force, warn};

/// Makes a change, or tells of it. That another program denies what is granted is an answer, and no
/// failure.
pub fn carry_out(
    stores: &Stores,
    id: &ContainerId,
    edit: Edit,
    options: &Options,
    out: &mut Vec<u8>,
) -> anyhow::Result<Exit> {
    match change(stores, id, edit, options) {
        Ok(report) => {
            text(&report, options.mode, out)?;
            if let Some(in_force) = &report.in_force {
                warn(&in_force.outcome, &in_force.warnings());
            }
            report.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
            Ok(Exit::Success)
        }
        Err(error @ ChangeError::Denied { .. }) => {
            complain(&format!("container {id}: {error}"));
            Ok(Exit::Denied)
        }
        Err(error) => Err(error.into()),
    }
}

fn text(report: &Report, mode: Mode, out: &mut Vec<u8>) -> io::Result<()> {
    let names = Names::default();
    if mode == Mode::DryRun {
        writeln!(out, "dry run: nothing is changed")?;
    }
    writeln!(out, "container {}", report.id)?;
    for difference in &report.differences {
        let (sign, rule) = match difference {
            Difference::Removed(rule) => ("-", rule),
            Difference::Added(rule) => ("+", rule),
        };
        let line = format!("{sign} {rule}");
        match names.of_rule(rule) {
            Some(name) => writeln!(out, "{line:27} {name}")?,
            None => writeln!(out, "{line}")?,
        }
    }
    if report.differences.is_empty() {
        writeln!(out, "no rule differs")?;
    }
    match &report.in_force {
        Some(in_force) => put_in_force(out, in_force, report.insns)?,
        None => writeln!(out, "a program of {} instructions would be attached", report.insns)?,
    }
    for node in &report.nodes {
        writeln!(out, "node {}{}", node.path, done(node.done))?;
    }
    report.holders.iter().try_for_each(|holder| still_open(holder, &names, out))
}

fn done(done: NodeDone) -> &'static str {
    match done {
        NodeDone::Made => " made",
        NodeDone::AlreadyThere => " is there already",
        NodeDone::Removed => " removed",
        NodeDone::Missing => " is gone already",
        NodeDone::NotOurs => " stays: the container put something else there",
        NodeDone::ToMake => " would be made, unless it is there",
        NodeDone::ToRemove => " would be removed",
    }
}

fn still_open(holder: &Holder, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
    let Holder { pid, device, command, hold } = holder;
    let name = names.device(device.device_type, device.major, device.minor);
    let name = name.unwrap_or_else(|| device.to_string());
    let command = describe::escaped(command);
    match hold {
        Hold::Descriptor(descriptor) => writeln!(
            out,
            "process {pid} ({command}) keeps {name} until it closes descriptor {descriptor}"
        ),
        Hold::Mapping(addresses) => {
            writeln!(out, "process {pid} ({command}) keeps {name} mapped at {addresses}")
        }
    }
}
