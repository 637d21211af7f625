//! `devgate check`: of a config it runs the program on each request, and asks `decide()` too.

mod live;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use devgate::bpf;
use devgate::device::{Access, Request};
use devgate::enforce::Prepared;
use devgate::policy::{BitDecision, Decision, Origin, Policy, Verdict};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args::{Check, Rules};
use super::asked::Asked;
use super::config::{is_stdin, prepared};
use super::{Exit, colour, complain, describe};

/// Most bytes of a file of requests.
const LIMIT: u64 = 64 << 20;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    device_type: String,
    major: u32,
    minor: u32,
    access: String,
    verdict: &'a str,
    rules: Map<String, Value>,
}

pub fn run(check: &Check, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let stdin = |path: &Option<PathBuf>| path.as_deref().is_some_and(is_stdin);
    if stdin(&check.requests) && stdin(&check.config) {
        return usage("--config and --requests can't both be standard input");
    }
    match (check.rules(), check.diff) {
        (Some(rules), true) => match check.target.open()? {
            Some(cgroup) => live::diff(check, cgroup, &rules, out),
            None => usage("--diff needs a cgroup: --cgroup, --pid or --container"),
        },
        (Some(_), false) if check.target.is_named() => {
            usage("--config and a cgroup go together only with --diff")
        }
        (Some(rules), false) => of_config(check, &rules, out),
        (None, _) => match check.target.open()? {
            Some(cgroup) => live::requests(check, cgroup, out),
            None => usage("neither a config nor a cgroup was named"),
        },
    }
}

fn usage(problem: &str) -> anyhow::Result<Exit> {
    complain(problem);
    Ok(Exit::Usage)
}

fn of_config(check: &Check, rules: &Rules, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let prepared = prepared(rules)?;
    let mut exit = Exit::Success;
    for asked in all(check)? {
        let request = &asked.request(None)?;
        let decision = decide(&prepared, request)?;
        if decision.verdict == Verdict::Deny {
            exit = Exit::Denied;
        }
        match check.json {
            true => json_line(out, &prepared.policy, request, &decision)?,
            false => text_line(out, &prepared.policy, request, &decision)?,
        }
    }
    Ok(exit)
}

/// The requests of the arguments and of `--requests`.
fn all(check: &Check) -> anyhow::Result<Vec<Asked>> {
    let mut all = check.request.clone();
    if let Some(file) = &check.requests {
        all.extend(read_requests(file)?);
    }
    Ok(all)
}

fn decide(prepared: &Prepared, request: &Request) -> anyhow::Result<Decision> {
    let decision = prepared.policy.decide(request);
    let ran = bpf::run(prepared.verified.program(), request)?;
    if ran.allowed != (decision.verdict == Verdict::Allow) {
        bail!("{request}: the policy says {}, its program does not", decision.verdict);
    }
    Ok(decision)
}

fn read_requests(path: &Path) -> anyhow::Result<Vec<Asked>> {
    use std::io::Read;
    let name = || path.display().to_string();
    let file: Box<dyn Read> = match is_stdin(path) {
        true => Box::new(std::io::stdin()),
        false => {
            let file = std::fs::File::open(path);
            Box::new(file.with_context(|| format!("{}: can't be read", name()))?)
        }
    };
    let mut text = String::new();
    let read = file.take(LIMIT + 1).read_to_string(&mut text);
    if read.with_context(|| format!("{}: can't be read", name()))? as u64 > LIMIT {
        bail!("{}: longer than {LIMIT} bytes, the most that is read", name());
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(index, line): (usize, &str)| {
        let asked: Result<Asked, String> = line.parse();
        asked.map_err(|error| anyhow!("{}: line {}: {error}", name(), index + 1))
    };
    lines.map(parse).collect()
}

/// Text: the verdict, and for each bit the rule that decided it.
fn text_line(
    out: &mut Vec<u8>,
    policy: &Policy,
    request: &Request,
    decision: &Decision,
) -> anyhow::Result<()> {
    let by = |bit: &BitDecision| {
        let rule = match bit.rule {
            Some(index) => describe::origin(policy, index),
            None => "nothing allows it".to_owned(),
        };
        format!("{}: {rule}", bit.bit)
    };
    let bits: Vec<String> = decision.relevant(request.access).map(by).collect();
    let verdict = colour::verdict(decision.verdict.word(), 5);
    writeln!(out, "{verdict}  {:20}  {}", request.to_string(), bits.join(", "))?;
    Ok(())
}

fn json_line(
    out: &mut Vec<u8>,
    policy: &Policy,
    request: &Request,
    decision: &Decision,
) -> anyhow::Result<()> {
    let rule = |bit: &BitDecision| match bit.rule.and_then(|index| policy.origin(index)) {
        Some(Origin::Config(index)) => json!(index),
        Some(Origin::Base) => json!("base"),
        None => Value::Null,
    };
    let key = |bit: Access| bit.to_string();
    let line = Line {
        device_type: request.device_type.to_string(),
        major: request.major,
        minor: request.minor,
        access: request.access.to_string(),
        verdict: decision.verdict.word(),
        rules: decision.relevant(request.access).map(|bit| (key(bit.bit), rule(bit))).collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)?;
    Ok(())
}
