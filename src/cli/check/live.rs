//! `devgate check` of the programs that run for a cgroup.

use std::io::Write;

use devgate::analyze::Region;
use devgate::cgroup::Cgroup;
use devgate::device::Request;
use devgate::inspect::{
    Answer, Effective, Inspection, Judged, Links, Meaning, effective, inspect, judge,
};
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
    programs: Vec<ProgramLine>,
}

#[derive(Serialize)]
struct ProgramLine {
    id: u32,
    name: String,
    cgroup: String,
    verdict: &'static str,
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
    let programs = inspection.running().zip(&judged.answers);
    Line {
        device_type: request.device_type.to_string(),
        major: request.major,
        minor: request.minor,
        access: request.access.to_string(),
        verdict: word(&judged.together),
        programs: programs
            .map(|((cgroup, attachment), answer)| ProgramLine {
                id: attachment.program.id.number(),
                name: attachment.program.name.clone(),
                cgroup: cgroup.display().to_string(),
                verdict: word(answer),
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
        let programs = inspection.running().zip(&judged.answers);
        let chosen = programs.filter(|(_, answer)| *answer == wanted);
        chosen.map(|((cgroup, attachment), _)| describe::attachment(attachment, cgroup)).collect()
    };
    let because = match &judged.together {
        Answer::Allows if judged.answers.is_empty() => "no program runs".to_owned(),
        Answer::Allows => format!("allowed by {}", with(&Answer::Allows).join(" and ")),
        Answer::Denies => format!("denied by {}", with(&Answer::Denies).join(" and ")),
        Answer::Unknown(why) => format!("{}: {why}", with(&judged.together).join(" and ")),
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
    unknown: Vec<u32>,
}

/// What the cgroup's programs and the config allow differently.
pub fn diff(
    check: &Check,
    cgroup: Cgroup,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> anyhow::Result<Exit> {
    let wanted = Meaning::of(prepared(rules)?.verified.program().clone()).table?;
    let Effective { table: live, unknown, .. } = effective(&look(cgroup)?)?;
    let live_only = live.difference(&wanted).allowed();
    let config_only = wanted.difference(&live).allowed();
    let differs = !live_only.is_empty() || !config_only.is_empty();
    if check.json {
        let regions = |regions: &[Region]| regions.iter().map(region).collect();
        let output = DiffOutput {
            differs,
            live_only: regions(&live_only),
            config_only: regions(&config_only),
            unknown: unknown.iter().map(|id| id.number()).collect(),
        };
        serde_json::to_writer(&mut *out, &output)?;
        writeln!(out)?;
    } else {
        diff_text(&live_only, &config_only, &unknown, out)?;
    }
    Ok(if differs || !unknown.is_empty() { Exit::Denied } else { Exit::Success })
}

fn diff_text(
    live_only: &[Region],
    config_only: &[Region],
    unknown: &[ProgId],
    out: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let names = Names::default();
    for region in live_only {
        let region = describe::region(region, &names);
        writeln!(out, "the programs allow {region}, the config does not")?;
    }
    for region in config_only {
        let region = describe::region(region, &names);
        writeln!(out, "the config allows {region}, the programs do not")?;
    }
    for id in unknown {
        writeln!(out, "program {id} can't be decoded, so less may be allowed")?;
    }
    if live_only.is_empty() && config_only.is_empty() && unknown.is_empty() {
        writeln!(out, "no difference")?;
    }
    Ok(())
}
