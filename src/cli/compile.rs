//! `devgate compile`.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use devgate::analyze::{Budget, analyze, longest_path};
use devgate::enforce::Prepared;
use devgate::policy::{Origin, Policy};
use oci_spec::runtime::LinuxDeviceCgroup;
use serde::Serialize;
use serde_json::{Value, json};

use super::args::{Compile, CompileFormat};
use super::{Exit, config, describe, spec};

#[derive(Serialize)]
struct Report {
    instructions: usize,
    longest_path: usize,
    bytes: String,
    rules: Vec<MergedRule>,
}

/// A rule as config.json has it, and where it comes from: its index there, or "base".
#[derive(Serialize)]
struct MergedRule {
    #[serde(flatten)]
    rule: LinuxDeviceCgroup,
    origin: Value,
}

pub fn run(compile: &Compile, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let prepared = config::prepared(&compile.rules)?;
    let program = prepared.verified.program();
    match compile.format {
        CompileFormat::Raw => out.extend(program.to_bytes()),
        CompileFormat::Text => {
            describe::policy(out, &prepared.policy)?;
            writeln!(out)?;
            describe::listing(out, program)?;
        }
        CompileFormat::Json => {
            serde_json::to_writer(&mut *out, &report(&prepared)?)?;
            writeln!(out)?;
        }
    }
    Ok(Exit::Success)
}

fn report(prepared: &Prepared) -> anyhow::Result<Report> {
    let program = prepared.verified.program();
    Ok(Report {
        instructions: program.insns().len(),
        longest_path: longest_path(program, &analyze(program, Budget::PROOF)?)?,
        bytes: STANDARD.encode(program.to_bytes()),
        rules: merged_rules(&prepared.policy)?,
    })
}

fn merged_rules(policy: &Policy) -> anyhow::Result<Vec<MergedRule>> {
    let origin = |index| match policy.origin(index) {
        Some(Origin::Config(index)) => json!(index),
        Some(Origin::Base) | None => json!("base"),
    };
    let merged =
        |(index, rule)| Ok(MergedRule { rule: spec::device(rule)?, origin: origin(index) });
    policy.rules().iter().enumerate().map(merged).collect()
}
