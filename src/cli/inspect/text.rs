//! The report for people.

use std::io::{self, Write};
use std::path::Path;

use devgate::analyze::Region;
use devgate::decode::{Decoded, Irregular};
use devgate::inspect::{Attachment, Difference, Level};
use devgate::kernel::ProgId;

use super::super::names::Names;
use super::super::{describe, table};
use super::{Listings, Report};

/// Regions of one difference that are shown; `--json` has all.
const MOST_REGIONS: usize = 20;

pub fn report(report: &Report, out: &mut Vec<u8>) -> io::Result<()> {
    let names = Names::default();
    for level in &report.inspection.levels {
        self::level(report, level, &names, out)?;
        writeln!(out)?;
    }
    effective(report, &names, out)?;
    match &report.differences {
        Err(error) => writeln!(out, "the programs can't be compared: {error}")?,
        Ok(differences) => {
            for difference in differences {
                self::difference(report, difference, &names, out)?;
            }
        }
    }
    Ok(())
}

fn level(report: &Report, level: &Level, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
    let path = level.cgroup.display().to_string();
    writeln!(out, "cgroup {}", describe::escaped(&path))?;
    let Some(flags) = level.flags else {
        return writeln!(out, "no device program is attached to it");
    };
    let header = ["ID", "NAME", "BY", "TAG", "FLAGS", "INSNS", "UID", "LOADED", "HELD"];
    let rows = level.attachments.iter().map(|attachment| {
        let program = &attachment.program;
        [
            program.id.to_string(),
            describe::escaped(&program.name),
            attachment.generator.map(|by| by.name()).unwrap_or("-").to_owned(),
            program.tag_text(),
            flags.to_string(),
            program.insn_count.to_string(),
            program.uid.to_string(),
            report.date(program.load_time),
            held(attachment),
        ]
    });
    table::write(out, header, rows)?;
    for attachment in &level.attachments {
        meaning(report, attachment, names, out)?;
    }
    Ok(())
}

/// The link, and whether it alone keeps the program attached.
fn held(attachment: &Attachment) -> String {
    let alone = if attachment.listed { "" } else { ", alone" };
    match &attachment.held {
        None => "-".to_owned(),
        Some(held) => match &held.pin {
            None => format!("by link {}{alone}", held.link),
            Some(pin) => {
                let pin = describe::escaped(&pin.display().to_string());
                format!("by link {} at {pin}{alone}", held.link)
            }
        },
    }
}

fn meaning(
    report: &Report,
    attachment: &Attachment,
    names: &Names,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let id = attachment.program.id;
    let runs = if attachment.runs { "" } else { ", overridden below" };
    match &attachment.meaning.decoded {
        Err(opaque) => writeln!(out, "  program {id}{runs} is opaque: {opaque}")?,
        Ok(_) if attachment.observes() => {
            writeln!(
                out,
                "  program {id}{runs} observes: it counts requests and allows all of them"
            )?;
        }
        Ok(decoded) => {
            writeln!(out, "  program {id}{runs}:")?;
            self::decoded(decoded, names, out)?;
        }
    }
    if let Some(reason) = &attachment.meaning.retval {
        writeln!(out, "    it may set the return value: {reason}")?;
    }
    match (&attachment.meaning.program, report.listings) {
        (Some(program), Listings::Shown) => {
            describe::plain_listing(out, program, &*report.inspection.symbols)
        }
        _ => Ok(()),
    }
}

fn decoded(decoded: &Decoded, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
    describe::rules(out, "    ", &decoded.rules, names)?;
    for odd in &decoded.irregular {
        let Irregular { device_type, majors, minors, allowed } = odd;
        let each: Vec<String> = allowed.iter().map(|access| access.to_string()).collect();
        let (majors, minors) = (describe::interval(*majors), describe::interval(*minors));
        writeln!(
            out,
            "    but of {device_type} {majors}:{minors}, which no rules can say, exactly these \
             pass: {}",
            each.join(", ")
        )?;
    }
    Ok(())
}

fn effective(report: &Report, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
    let decides = |(_, attachment): &(_, &Attachment)| !attachment.observes();
    let running: Vec<_> = report.inspection.running().filter(decides).collect();
    let effective = &report.effective;
    let uncertain = effective.uncertain.as_ref();
    match (running.as_slice(), uncertain.is_ok_and(Vec::is_empty)) {
        ([], _) => return writeln!(out, "effective: no program runs, so everything is allowed"),
        ([(_, only)], true) => {
            return writeln!(out, "effective: what program {} allows", only.program.id);
        }
        (_, true) => writeln!(out, "effective, as every program has to allow it:")?,
        (_, false) => unknown(report, &running, out)?,
    }
    match &effective.decoded {
        Ok(decoded) => self::decoded(decoded, names, out)?,
        Err(error) => writeln!(out, "    can't be said in rules: {error}")?,
    }
    match uncertain {
        Ok(regions) if !regions.is_empty() => {
            writeln!(out, "    of this it is unknown for {}", some(regions, names))
        }
        _ => Ok(()),
    }
}

/// Why the effective policy is unknown, and what comes below.
fn unknown(
    report: &Report,
    running: &[(Option<&Path>, &Attachment)],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let name = |id: &ProgId| {
        let found = running.iter().find(|(_, attachment)| attachment.program.id == *id);
        found.map(|(cgroup, attachment)| describe::attachment(attachment, *cgroup))
    };
    writeln!(out, "effective: unknown")?;
    for (id, _) in &report.effective.retval {
        let name = name(id).unwrap_or_default();
        writeln!(
            out,
            "  program {name} may set the return value: it may allow what programs before it deny, \
             and deny what they allow"
        )?;
    }
    let opaque = report.effective.unknown.iter().filter_map(name);
    for name in opaque {
        writeln!(out, "  program {name} is opaque: it may deny what others allow")?;
    }
    writeln!(out, "  at most this is allowed:")
}

/// The first regions, and how many more there are.
fn some(regions: &[Region], names: &Names) -> String {
    let shown = regions.iter().take(MOST_REGIONS);
    let mut texts: Vec<String> = shown.map(|region| describe::region(region, names)).collect();
    let more = regions.len() - texts.len();
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

fn difference(
    report: &Report,
    difference: &Difference,
    names: &Names,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let mut running = report.inspection.running();
    let allows = running.nth(difference.allows);
    let denies = report.inspection.running().nth(difference.denies);
    let (Some((_, allows)), Some((cgroup, denies))) = (allows, denies) else { return Ok(()) };
    let (allows, name) = (allows.program.id, describe::attachment(denies, cgroup));
    let regions = some(&difference.regions, names);
    writeln!(out, "{allows} allows {regions}; {name} does not")
}
