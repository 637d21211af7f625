//! `devgate record diff`.

use std::io::{self, Write};

use devgate::device::Request;
use devgate::names::Names;
use devgate::policy::{Policy, Rule, Verdict};
use devgate::recording::{Answer, Asked, Difference, Recorder, Refused, Unused, diff};
use serde::Serialize;

use super::args::Diff;
use super::show::answer;
use crate::cli::{Exit, complain, config, describe};

/// Most devices that are listed beside a rule for many.
const MOST_USED: usize = 8;

#[derive(Serialize)]
struct Output {
    unused: Vec<UnusedRule>,
    denied: Vec<DeniedRequest>,
    lost: u64,
}

/// Allowed, and never asked for.
#[derive(Serialize)]
struct UnusedRule {
    /// Where the rule is from.
    origin: String,
    rule: String,
    device: Option<String>,
    /// What was asked for nevertheless.
    used: Vec<String>,
}

/// Asked for, and denied by the config.
#[derive(Serialize)]
struct DeniedRequest {
    #[serde(skip)]
    request: Request,
    #[serde(rename = "type")]
    device_type: String,
    major: u32,
    minor: u32,
    device: Option<String>,
    access: String,
    count: u64,
    commands: Vec<String>,
    /// What was answered when it was recorded.
    recorded: Answer,
    /// The rules of the config that deny it; none if it has no rule for it.
    rules: Vec<String>,
}

pub fn run(recorder: &Recorder, args: &Diff, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    for ongoing in recorder.ongoing()?.iter().filter(|ongoing| ongoing.name == args.name) {
        recorder.save(ongoing.cgroup.id)?;
    }
    let recording = recorder.get(&args.name)?;
    let config = config::read(&args.config)?;
    let policy = Policy::new(config.rules, args.default_devices.into());
    for warning in config::warnings(config.unknown, &policy).lines() {
        complain(&format!("warning: {warning}"));
    }
    let difference = diff(&policy, &recording.asked());
    let output = output(&policy, &difference, recording.lost());
    match args.json {
        true => {
            serde_json::to_writer(&mut *out, &output)?;
            writeln!(out)?;
        }
        false => text(out, &output)?,
    }
    if output.lost > 0 && !args.json {
        complain(&format!("{} requests found no room and are not compared", output.lost));
    }
    Ok(if difference.is_empty() { Exit::Success } else { Exit::Denied })
}

fn output(policy: &Policy, difference: &Difference, lost: u64) -> Output {
    let names = Names::default();
    let unused = |unused: &Unused| UnusedRule {
        origin: describe::origin(policy, unused.index),
        rule: unused.rule.to_string(),
        device: names.of_rule(&unused.rule),
        used: unused.used.iter().map(device).collect(),
    };
    let denied = |refused: &Refused| {
        let Refused { asked: Asked { request, device, count, commands, .. }, decision } = refused;
        let denies = decision.relevant(request.access).filter(|bit| bit.verdict == Verdict::Deny);
        let mut rules: Vec<usize> = denies.filter_map(|bit| bit.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        let place = |index: usize| {
            let rule = policy.rules().get(index).map(ToString::to_string).unwrap_or_default();
            format!("{}: {rule}", describe::origin(policy, index))
        };
        DeniedRequest {
            request: *request,
            device_type: request.device_type.to_string(),
            major: request.major,
            minor: request.minor,
            device: device.clone(),
            access: request.access.to_string(),
            count: *count,
            commands: commands.clone(),
            recorded: refused.asked.answer,
            rules: rules.into_iter().map(place).collect(),
        }
    };
    Output {
        unused: difference.unused.iter().map(unused).collect(),
        denied: difference.refused.iter().map(denied).collect(),
        lost,
    }
}

/// A rule without its verdict.
fn device(rule: &Rule) -> String {
    let text = rule.to_string();
    text.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap_or(text)
}

fn text(out: &mut Vec<u8>, output: &Output) -> io::Result<()> {
    if output.unused.is_empty() && output.denied.is_empty() {
        return writeln!(out, "allowed is what was asked for, and nothing else");
    }
    if !output.unused.is_empty() {
        writeln!(out, "allowed and never asked for:")?;
    }
    for unused in &output.unused {
        let UnusedRule { origin, rule, device, used } = unused;
        let mut line = format!("  {rule:28} {origin}");
        if let Some(device) = device {
            line += &format!(", {}", describe::escaped(device));
        }
        if !used.is_empty() {
            let shown = &used[..used.len().min(MOST_USED)];
            line += &format!(", but for {}", shown.join(", "));
            if let more @ 1.. = used.len() - shown.len() {
                line += &format!(" and {more} more");
            }
        }
        writeln!(out, "{line}")?;
    }
    if !output.denied.is_empty() {
        writeln!(out, "asked for and denied:")?;
    }
    for denied in &output.denied {
        let rules = match denied.rules.is_empty() {
            true => "no rule allows it".to_owned(),
            false => denied.rules.join("; "),
        };
        let device = describe::escaped(denied.device.as_deref().unwrap_or("-"));
        let commands = describe::escaped(&denied.commands.join(", "));
        let DeniedRequest { request, count, .. } = denied;
        let (request, recorded) = (request.to_string(), answer(denied.recorded));
        let requests = if *count == 1 { "request" } else { "requests" };
        writeln!(
            out,
            "  {request:22} {device}, {count} {requests} by {commands}, when recorded: {recorded}; {rules}"
        )?;
    }
    Ok(())
}
