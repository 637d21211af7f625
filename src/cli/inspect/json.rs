//! The report for programs. The schema is in the README; keys are only ever added.

use devgate::analyze::{Interval, Region};
use devgate::decode::{Decoded, Irregular};
use devgate::inspect::{Attachment, Difference, Effective, Level};
use devgate::kernel::ProgId;
use oci_spec::runtime::LinuxDeviceCgroup;
use serde::Serialize;

use super::super::spec;
use super::{Listings, Report};

#[derive(Serialize)]
pub(super) struct Output {
    #[serde(flatten)]
    own: LevelOutput,
    ancestors: Vec<LevelOutput>,
    unseen: Vec<u32>,
    effective: EffectiveOutput,
    differences: Vec<DifferenceOutput>,
}

#[derive(Serialize)]
struct LevelOutput {
    cgroup: String,
    flags: Option<String>,
    revision: Option<u64>,
    programs: Vec<ProgramOutput>,
}

#[derive(Serialize)]
struct ProgramOutput {
    id: u32,
    name: String,
    generator: Option<&'static str>,
    tag: String,
    uid: u32,
    loaded: String,
    instructions: usize,
    link: Option<LinkOutput>,
    listed: bool,
    runs: bool,
    observes: bool,
    opaque: Option<String>,
    retval: Option<String>,
    #[serde(flatten)]
    meaning: Option<MeaningOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asm: Option<Vec<String>>,
}

#[derive(Serialize)]
struct LinkOutput {
    id: u32,
    pin: Option<String>,
}

#[derive(Serialize)]
struct MeaningOutput {
    rules: Vec<LinuxDeviceCgroup>,
    irregular: Vec<RegionOutput>,
}

#[derive(Serialize)]
struct EffectiveOutput {
    verdict: &'static str,
    unknown: Vec<u32>,
    retval: Vec<RetvalOutput>,
    uncertain: Option<Vec<RegionOutput>>,
    opaque: Option<String>,
    #[serde(flatten)]
    meaning: Option<MeaningOutput>,
}

#[derive(Serialize)]
struct RetvalOutput {
    id: u32,
    reason: String,
}

#[derive(Serialize)]
struct DifferenceOutput {
    allows: u32,
    denies: u32,
    regions: Vec<RegionOutput>,
}

/// Devices and access sets; numbers as first and last.
#[derive(Serialize)]
pub struct RegionOutput {
    #[serde(rename = "type")]
    device_type: String,
    major: [u32; 2],
    minor: [u32; 2],
    accesses: Vec<String>,
}

pub(super) fn report(report: &Report) -> anyhow::Result<Output> {
    let mut levels = Vec::new();
    for level in &report.inspection.levels {
        levels.push(self::level(report, level)?);
    }
    if levels.is_empty() {
        anyhow::bail!("no cgroup was inspected");
    }
    let own = levels.remove(0);
    let differences = report.differences.iter().flatten();
    Ok(Output {
        own,
        ancestors: levels,
        unseen: report.inspection.unseen.iter().map(|seen| seen.program.id.number()).collect(),
        effective: effective(&report.effective)?,
        differences: differences.filter_map(|found| difference(report, found)).collect(),
    })
}

fn effective(effective: &Effective) -> anyhow::Result<EffectiveOutput> {
    let decoded = effective.decoded.as_ref();
    let uncertain = effective.uncertain.as_ref();
    let is_exact = uncertain.is_ok_and(Vec::is_empty);
    let retval = effective.retval.iter();
    let retval = retval.map(|(id, why)| RetvalOutput { id: id.number(), reason: why.to_string() });
    Ok(EffectiveOutput {
        verdict: if is_exact { "exact" } else { "unknown" },
        unknown: numbers(&effective.unknown),
        retval: retval.collect(),
        uncertain: uncertain.ok().map(|regions| regions.iter().map(region).collect()),
        opaque: decoded.err().map(ToString::to_string),
        meaning: decoded.ok().map(meaning).transpose()?,
    })
}

fn numbers(ids: &[ProgId]) -> Vec<u32> {
    ids.iter().map(|id| id.number()).collect()
}

fn level(report: &Report, level: &Level) -> anyhow::Result<LevelOutput> {
    let programs = level.attachments.iter().map(|attachment| program(report, attachment));
    Ok(LevelOutput {
        cgroup: level.cgroup.display().to_string(),
        flags: level.flags.map(|flags| flags.to_string()),
        revision: level.revision,
        programs: programs.collect::<anyhow::Result<_>>()?,
    })
}

fn program(report: &Report, attachment: &Attachment) -> anyhow::Result<ProgramOutput> {
    let program = &attachment.program;
    let decoded = attachment.meaning.decoded.as_ref();
    let listing = attachment.meaning.program.as_ref();
    let asm = listing.filter(|_| report.listings == Listings::Shown);
    Ok(ProgramOutput {
        id: program.id.number(),
        name: program.name.clone(),
        generator: attachment.generator.map(|generator| generator.name()),
        tag: program.tag_text(),
        uid: program.uid,
        loaded: report.date(program.load_time),
        instructions: program.insn_count,
        link: attachment.held.as_ref().map(|held| LinkOutput {
            id: held.link,
            pin: held.pin.as_ref().map(|pin| pin.display().to_string()),
        }),
        listed: attachment.listed,
        runs: attachment.runs,
        observes: attachment.observes(),
        opaque: decoded.err().map(ToString::to_string),
        retval: attachment.meaning.retval.as_ref().map(ToString::to_string),
        meaning: decoded.ok().map(meaning).transpose()?,
        asm: asm.map(|program| {
            let lines = program.listing(&*report.inspection.symbols);
            lines.into_iter().map(|line| line.text).collect()
        }),
    })
}

fn meaning(decoded: &Decoded) -> anyhow::Result<MeaningOutput> {
    let irregular = decoded.irregular.iter().map(|irregular| {
        let Irregular { device_type, majors, minors, allowed } = irregular;
        RegionOutput {
            device_type: device_type.to_string(),
            major: ends(*majors),
            minor: ends(*minors),
            accesses: allowed.iter().map(|access| access.to_string()).collect(),
        }
    });
    Ok(MeaningOutput { rules: spec::devices(&decoded.rules)?, irregular: irregular.collect() })
}

fn difference(report: &Report, difference: &Difference) -> Option<DifferenceOutput> {
    let id = |place| {
        let (_, attachment) = report.inspection.running().nth(place)?;
        Some(attachment.program.id.number())
    };
    Some(DifferenceOutput {
        allows: id(difference.allows)?,
        denies: id(difference.denies)?,
        regions: difference.regions.iter().map(region).collect(),
    })
}

/// A region as an object.
pub fn region(region: &Region) -> RegionOutput {
    RegionOutput {
        device_type: region.device_type.to_string(),
        major: ends(region.major),
        minor: ends(region.minor),
        accesses: region.accesses.iter().map(|access| access.to_string()).collect(),
    }
}

fn ends(interval: Interval) -> [u32; 2] {
    [interval.first, interval.last]
}
