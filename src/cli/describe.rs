//! Policies and programs as text.

use std::io::{self, Write};

use devgate::bpf::Program;
use devgate::compile::comment;
use devgate::policy::{Origin, Policy};

/// The merged rules, each with where it comes from.
pub fn policy(out: &mut impl Write, policy: &Policy) -> io::Result<()> {
    writeln!(out, "policy (the last rule that names a bit decides it):")?;
    for (index, rule) in policy.rules().iter().enumerate() {
        let rule = rule.to_string();
        writeln!(out, "  {rule:28} {}", origin(policy, index))?;
    }
    if policy.rules().is_empty() {
        writeln!(out, "  no rule: everything is denied")?;
    }
    Ok(())
}

/// Where the rule at `index` comes from: `devices[4]` or `base default`.
pub fn origin(policy: &Policy, index: usize) -> String {
    match policy.origin(index) {
        Some(Origin::Config(index)) => format!("devices[{index}]"),
        Some(Origin::Base) => "base default".to_owned(),
        None => format!("rule {index}"),
    }
}

/// The commented listing.
pub fn listing(out: &mut impl Write, program: &Program) -> io::Result<()> {
    writeln!(out, "program: {} instructions", program.insns().len())?;
    for line in program.listing() {
        let comment = line.decoded.and_then(|decoded| comment(decoded.op));
        match comment {
            Some(comment) => writeln!(out, "{:5}: {:36} ; {comment}", line.index, line.text)?,
            None => writeln!(out, "{:5}: {}", line.index, line.text)?,
        }
    }
    Ok(())
}
