//! What became of a container's policy.

use std::fs::File;
use std::path::Path;

use devgate::oci::{Document, read_config};
use devgate::policy::{DefaultDevices, Policy, Verdict};
use serde_json::Value;

use crate::common::command::devgate;
use crate::prober;

/// From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// `check --diff` finds no difference, and the container's own opens agree.
    Kept,
    /// devgate's program is in force, and another one narrows it.
    Narrower,
    /// devgate's program is not on the container's cgroup any more.
    Lost,
}

/// What is in force for a container, and what a judge saw.
pub struct Seen {
    pub outcome: Outcome,
    pub why: String,
}

/// Looks at a running container with this config.json.
pub fn look(cgroup: &Path, config: &Path) -> Seen {
    let path = cgroup.to_str().expect("the path is text");
    let file = config.to_str().expect("the path is text");
    let diff = devgate(&["check", "--cgroup", path, "--diff", "--config", file], "");
    let exact = match diff.code {
        Some(0) => true,
        Some(3) => false,
        _ => panic!("{diff:?}"),
    };
    let wrong = wrong_answers(cgroup, config);
    assert!(exact || diff.text() != "no difference\n", "check --diff says both: {diff:?}");
    // The judges must agree, or `check` can't be trusted.
    assert!(!exact || wrong.is_empty(), "{path}: check --diff finds nothing, but {wrong:?}");
    let ours = has_ours(path);
    let outcome = match (ours, exact) {
        (false, _) => Outcome::Lost,
        (true, true) => Outcome::Kept,
        (true, false) => Outcome::Narrower,
    };
    Seen { outcome, why: format!("{}{}", diff.text(), wrong.join("\n")) }
}

/// Where the container's own opens differ from the policy of its config.json.
fn wrong_answers(cgroup: &Path, config: &Path) -> Vec<String> {
    let document = Document::File(config.to_owned());
    let file = File::open(config).unwrap_or_else(|error| panic!("{}: {error}", config.display()));
    let rules = read_config(file, document).expect("the config can be read").rules;
    let policy = Policy::new(rules, DefaultDevices::Base);
    let answers = prober::ask(cgroup).unwrap_or_else(|silent| panic!("{}", silent.0));
    let requests = prober::requests();
    assert_eq!(answers.len(), requests.len(), "an answer for each request");
    let pairs = requests.iter().zip(answers);
    let wrong = pairs.filter(|(request, answer)| policy.decide(request).verdict != *answer);
    wrong.map(|(request, answer)| format!("{request}: {}", word(answer))).collect()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "opens",
        Verdict::Deny => "is refused",
    }
}

/// Whether a program of devgate's is attached to the cgroup itself.
fn has_ours(cgroup: &str) -> bool {
    let run = devgate(&["inspect", "--cgroup", cgroup, "--json"], "");
    let report: Value = serde_json::from_str(run.text()).expect("it is JSON");
    let programs = report["programs"].as_array().expect("an array");
    programs
        .iter()
        .any(|program| program["name"].as_str().is_some_and(|name| name.starts_with("devgate")))
}
