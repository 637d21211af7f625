//! `devgate check` of the programs that run for a cgroup.

use std::io::Write;

use devgate::analyze::{Budget, Region, analyze};
use devgate::cgroup::Cgroup;
use devgate::decode::Table;
use devgate::device::Request;
use devgate::inspect::{Answer, Effective, Inspection, Judged, Links, effective, inspect, judge};
use devgate::kernel::ProgId;
use serde::Serialize;

use super::super::args::{Check, Rules};
use super::super::config::prepared;
use super::super::inspect::json::{RegionOutput, region};
use super::super::names::Names;
use super::super::{Exit, colour, describe};

#[derive(Serialize)]
struct Line {
    #[serde(rename = "type")]
    device_type: String,
    major: u32,
    minor: u32,
    access: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    programs: Vec<ProgramLine>,
}

#[derive(Serialize)]
struct ProgramLine {
    id: u32,
    name: String,
    cgroup: Option<String>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retval: Option<String>,
}

/// Who holds a program makes no difference to what it answers, so no links are looked for.
fn look(cgroup: Cgroup) -> anyhow::Result<Inspection> {
    Ok(inspect(cgroup, &Links::default())?)
}

/// What the cgroup's programs answer to each request, and who says no.
pub fn requests(check: &Check, cgroup: Cgroup, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let process = check.target.process(&cgroup);
    let inspection = look(cgroup)?;
    let names = Names::default();
    let mut exit = Exit::Success;
    for asked in super::all(check)? {
        let request = asked.request(process)?;
        let judged = judge(&inspection, &request);
        if judged.together != Answer::Allows {
            exit = Exit::Denied;
        }
        match check.json {
            true => {
                serde_json::to_writer(&mut *out, &line(&inspection, &request, &judged))?;
                writeln!(out)?;
            }
            false => text(&inspection, &request, &judged, &names, out)?,
        }
    }
    Ok(exit)
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Allows => "allow",
        Answer::Denies => "deny",
        Answer::Unknown(_) => "unknown",
    }
}

fn line(inspection: &Inspection, request: &Request, judged: &Judged) -> Line {
    let programs = inspection.running().zip(&judged.said);
    Line {
        device_type: request.device_type.to_string(),
        major: request.major,
        minor: request.minor,
        access: request.access.to_string(),
        verdict: word(&judged.together),
        reason: match &judged.together {
            Answer::Unknown(why) => Some(why.clone()),
            Answer::Allows | Answer::Denies => None,
        },
        programs: programs
            .map(|((cgroup, attachment), said)| ProgramLine {
                id: attachment.program.id.number(),
                name: attachment.program.name.clone(),
                cgroup: cgroup.map(|cgroup| cgroup.display().to_string()),
                verdict: word(&said.answer),
                retval: said.retval.clone(),
            })
            .collect(),
    }
}

fn text(
    inspection: &Inspection,
    request: &Request,
    judged: &Judged,
    names: &Names,
    out: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let Request { device_type, major, minor, .. } = *request;
    let name = names.device(device_type, major, minor);
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let with = |wanted: &Answer| -> Vec<String> {
        let programs = inspection.running().zip(&judged.said);
        let chosen = programs.filter(|(_, said)| said.answer == *wanted);
        chosen.map(|((cgroup, attachment), _)| describe::attachment(attachment, cgroup)).collect()
    };
    let because = match &judged.together {
        Answer::Allows if judged.said.is_empty() => "no program runs".to_owned(),
        Answer::Allows => format!("allowed by {}", with(&Answer::Allows).join(" and ")),
        Answer::Denies => format!("denied by {}", with(&Answer::Denies).join(" and ")),
        Answer::Unknown(why) => why.clone(),
    };
    let what = format!("{request}{name}");
    let verdict = colour::verdict(word(&judged.together), 7);
    writeln!(out, "{verdict}  {what:24}  {because}")?;
    Ok(())
}

#[derive(Serialize)]
struct DiffOutput {
    differs: bool,
    live_only: Vec<RegionOutput>,
    config_only: Vec<RegionOutput>,
    uncertain: Vec<RegionOutput>,
    unknown: Vec<u32>,
    retval: Vec<u32>,
}

/// Where a cgroup's programs and a config differ for sure, and where they may.
struct Found {
    live_only: Vec<Region>,
    config_only: Vec<Region>,
    uncertain: Vec<Region>,
    unknown: Vec<ProgId>,
    retval: Vec<ProgId>,
}

/// What the cgroup's programs and the config allow differently.
pub fn diff(
    check: &Check,
    cgroup: Cgroup,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> anyhow::Result<Exit> {
    let wanted = analyze(prepared(rules)?.verified.program(), Budget::PROOF)?;
    let wanted = Table::of(&wanted)?;
    let Effective { answers, uncertain, unknown, retval, .. } = effective(&look(cgroup)?);
    let (answers, uncertain) = (answers?, uncertain?);
    let found = Found {
        live_only: answers.allowed.difference(&wanted)?.allowed(),
        config_only: wanted.difference(&answers.possible)?.allowed(),
        uncertain,
        unknown,
        retval: retval.into_iter().map(|(id, _)| id).collect(),
    };
    let differs = !found.live_only.is_empty() || !found.config_only.is_empty();
    if check.json {
        let regions = |regions: &[Region]| regions.iter().map(region).collect();
        let output = DiffOutput {
            differs,
            live_only: regions(&found.live_only),
            config_only: regions(&found.config_only),
            uncertain: regions(&found.uncertain),
            unknown: found.unknown.iter().map(|id| id.number()).collect(),
            retval: found.retval.iter().map(|id| id.number()).collect(),
        };
        serde_json::to_writer(&mut *out, &output)?;
        writeln!(out)?;
    } else {
        diff_text(&found, out)?;
    }
    Ok(if differs || !found.uncertain.is_empty() { Exit::Denied } else { Exit::Success })
}

fn diff_text(found: &Found, out: &mut Vec<u8>) -> anyhow::Result<()> {
    let names = Names::default();
    for region in &found.live_only {
        let region = describe::region(region, &names);
        writeln!(out, "the programs allow {region}, the config does not")?;
    }
    for region in &found.config_only {
        let region = describe::region(region, &names);
        writeln!(out, "the config allows {region}, the programs do not")?;
    }
    for id in &found.unknown {
        writeln!(out, "program {id} can't be decoded, so less may be allowed")?;
    }
    for id in &found.retval {
        writeln!(out, "program {id} may set the return value, so more or less may be allowed")?;
    }
    for region in &found.uncertain {
        let region = describe::region(region, &names);
        writeln!(out, "whether the programs allow {region} is unknown")?;
    }
    if found.live_only.is_empty() && found.config_only.is_empty() && found.uncertain.is_empty() {
        writeln!(out, "no difference")?;
    }
    Ok(())
}
