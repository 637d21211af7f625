//! Policies and programs as text.

use std::io::{self, Write};
use std::path::Path;

use devgate::analyze::{AccessSets, Interval, Region};
use devgate::bpf::{ByNumber, Helpers, Program};
use devgate::compile::comment;
use devgate::device::Access;
use devgate::inspect::Attachment;
use devgate::policy::{Policy, Rule};

use super::colour;
use super::names::Names;

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
        Some(origin) => origin.to_string(),
        None => format!("rule {index}"),
    }
}

/// Text from outside, with control characters escaped.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match is_printable(c) {
            true => escaped.push(c),
            false => escaped.extend(c.escape_default()),
        }
    }
    escaped
}

/// Whether a character is shown as what it is: it is neither a control character nor one that
/// is not seen, or that turns the text around (Unicode's category Cf, as far as terminals heed it).
pub fn is_printable(c: char) -> bool {
    let unseen = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !unseen
}

/// A program's instructions, without comments: its registers may hold anything.
pub fn plain_listing(
    out: &mut impl Write,
    program: &Program,
    helpers: &dyn Helpers,
) -> io::Result<()> {
    for line in program.listing(helpers) {
        writeln!(out, "{:9}: {}", line.index, line.text)?;
    }
    Ok(())
}

/// Rules, one a line, with the names of their devices.
pub fn rules(out: &mut impl Write, indent: &str, rules: &[Rule], names: &Names) -> io::Result<()> {
    if rules.is_empty() {
        writeln!(out, "{indent}{} everything", colour::verdict("deny", 4))?;
    }
    for rule in rules {
        let text = rule.to_string();
        let (verdict, what) = text.split_once(' ').unwrap_or((&text, ""));
        let width = 25_usize.saturating_sub(verdict.len());
        let verdict = colour::verdict(verdict, 0);
        match names.of_rule(rule) {
            Some(name) => writeln!(out, "{indent}{verdict} {what:width$} {name}")?,
            None => writeln!(out, "{indent}{verdict} {what}")?,
        }
    }
    Ok(())
}

/// A program and where it is, in few words.
pub fn attachment(attachment: &Attachment, cgroup: Option<&Path>) -> String {
    let cgroup = match cgroup.map(|cgroup| cgroup.file_name().unwrap_or_default()) {
        Some(name) => escaped(&name.to_string_lossy()),
        None => "a cgroup that is not seen here".to_owned(),
    };
    let id = attachment.program.id;
    match (attachment.program.name.as_str(), attachment.generator) {
        ("", None) => format!("{id} (on {cgroup})"),
        ("", Some(by)) => format!("{id} ({by}'s, on {cgroup})"),
        (name, _) => format!("{id} ({}, on {cgroup})", escaped(name)),
    }
}

/// A region as `c 10:229 rw`, an interval of numbers as `64-67`.
pub fn region(region: &Region, names: &Names) -> String {
    let Region { device_type, accesses, major, minor, .. } = *region;
    let devices = format!("{device_type} {}:{}", interval(major), interval(minor));
    let one = major.len() == 1 && minor.len() == 1;
    let name = one.then(|| names.device(device_type, major.first, minor.first)).flatten();
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{devices} {}{name}", sets(accesses))
}

/// Access sets by the bits in them that stand alone, if there are any; otherwise each set.
pub fn sets(accesses: AccessSets) -> String {
    let alone = Access::BITS.into_iter().filter(|bit| accesses.contains(*bit));
    let bits = alone.fold(Access::NONE, Access::union);
    if !bits.is_none() {
        return bits.to_string();
    }
    let each: Vec<String> = accesses.iter().map(|access| access.to_string()).collect();
    each.join(",")
}

/// `*`, one number, or the first and the last.
pub fn interval(interval: Interval) -> String {
    match interval {
        Interval::ALL => "*".to_owned(),
        Interval { first, last } if first == last => first.to_string(),
        Interval { first, last } => format!("{first}-{last}"),
    }
}

/// The commented listing.
pub fn listing(out: &mut impl Write, program: &Program) -> io::Result<()> {
    writeln!(out, "program: {} instructions", program.insns().len())?;
    for line in program.listing(&ByNumber) {
        let comment = line.decoded.and_then(|decoded| comment(decoded.op));
        match comment {
            Some(comment) => writeln!(out, "{:5}: {:36} ; {comment}", line.index, line.text)?,
            None => writeln!(out, "{:5}: {}", line.index, line.text)?,
        }
    }
    Ok(())
}
