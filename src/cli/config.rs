//! The rules that `--config` and `--default-devices` name.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::Context;
use devgate::enforce::{Prepared, prepare};
use devgate::oci::{self, Config, Document, read_config};
use devgate::policy::{Few, Policy, Warning};

use super::args::Rules;
use super::complain;

/// Reads the config, warns of what is odd in it, compiles and proves it.
pub fn prepared(rules: &Rules) -> anyhow::Result<Prepared> {
    let config = read(&rules.config)?;
    let policy = Policy::new(config.rules, rules.default_devices.into());
    for warning in warnings(config.unknown, &policy).lines() {
        complain(&format!("warning: {warning}"));
    }
    Ok(prepare(policy)?)
}

/// What is legal in a config and odd: keys that rules don't have, and rules without effect.
pub fn warnings(unknown: Few<String>, policy: &Policy) -> Few<String> {
    let mut warnings = unknown.map(|path| format!("{path}: unknown key, passed over"));
    let rules: Few<Warning> = policy.warnings().collect();
    warnings.append(rules.map(|warning| warning.to_string()));
    warnings
}

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// A linux.resources.devices array on its own.
pub fn read_rules(path: &Path) -> anyhow::Result<Config> {
    if is_stdin(path) {
        return Ok(oci::read_rules(io::stdin(), Document::RulesOnStdin)?);
    }
    let file = File::open(path).with_context(|| format!("{}: can't be read", path.display()))?;
    Ok(oci::read_rules(file, Document::File(path.to_owned()))?)
}

pub fn read(path: &Path) -> anyhow::Result<Config> {
    if is_stdin(path) {
        return Ok(read_config(io::stdin(), Document::ConfigOnStdin)?);
    }
    let file = File::open(path).with_context(|| format!("{}: can't be read", path.display()))?;
    Ok(read_config(file, Document::File(path.to_owned()))?)
}
