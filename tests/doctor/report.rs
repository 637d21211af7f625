//! Reports as JSON and as text.

use std::process::Command;

use serde_json::{Map, Value};

use super::common::command::{Run, devgate, run};

const DEVGATE: &str = env!("CARGO_BIN_EXE_devgate");

const LEVELS: [&str; 4] = ["ok", "registered", "degraded", "broken"];

/// What `devgate doctor --json` said.
pub struct Report {
    json: Value,
}

impl Report {
    /// Of a run that printed one, and exited as its level demands.
    pub fn of(run: &Run) -> Report {
        assert_eq!(run.stderr, "", "{run:?}");
        let json: Value = serde_json::from_str(run.text()).expect("one JSON object");
        let report = Report { json };
        let code = match report.level() {
            "ok" | "registered" => 0,
            "degraded" => 4,
            "broken" => 1,
            level => panic!("{level} is no level"),
        };
        assert_eq!(run.code, Some(code), "{run:?}");
        report
    }

    /// As root of the host, or whoever we are.
    pub fn here(groups: &[&str]) -> Report {
        Report::of(&devgate(&[&["doctor", "--json"], groups].concat(), ""))
    }

    /// Behind a command that runs another with its last arguments.
    pub fn behind(command: &[&str], groups: &[&str]) -> Report {
        let mut behind = Command::new(command[0]);
        behind.args(&command[1..]).args([DEVGATE, "doctor", "--json"]).args(groups);
        Report::of(&run(&mut behind, ""))
    }

    /// After a script in a mount namespace of its own; see [`after`].
    pub fn after(script: &str, groups: &[&str]) -> Report {
        Report::of(&after(script, &[&["--json"], groups].concat()))
    }

    pub fn level(&self) -> &str {
        self.json["level"].as_str().expect("it has a level")
    }

    pub fn findings(&self) -> impl Iterator<Item = &Map<String, Value>> {
        let findings = self.json["findings"].as_array().expect("it has findings");
        findings.iter().map(|finding| finding.as_object().expect("a finding is an object"))
    }

    fn finding(&self, name: &str) -> &Map<String, Value> {
        let (group, check) = name.split_once('/').expect("group/check");
        let mut same = self.findings().filter(|f| f["group"] == group && f["check"] == check);
        let finding = same.next().unwrap_or_else(|| panic!("no {name} in {}", self.json));
        assert!(same.next().is_none(), "{name} is there twice");
        finding
    }

    /// Level and text of a finding, by group/check.
    pub fn said(&self, name: &str) -> (&str, &str) {
        let text = |key| self.finding(name)[key].as_str().expect("it is text");
        (text("level"), text("found"))
    }

    pub fn expect(&self, name: &str, level: &str, beginning: &str) {
        let said = self.said(name);
        assert!(said.0 == level && said.1.starts_with(beginning), "{name}: {said:?}");
    }
}

/// `devgate doctor` after a script in a mount namespace of its own, where `$DIR` is an empty folder.
pub fn after(script: &str, args: &[&str]) -> Run {
    let dir = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("unshare");
    shell
        .args(["--mount", "sh", "-e", "-c"])
        .arg(format!("mount --make-rprivate /\n{script}\nexec \"$0\" doctor \"$@\""))
        .arg(DEVGATE)
        .args(args)
        .env("DIR", dir.path());
    run(&mut shell, "")
}

#[test]
fn the_worst_finding_is_the_level_and_all_else_but_ok_has_a_remedy() {
    let report = Report::here(&[]);
    let rank = |level: &Value| LEVELS.iter().position(|word| level == word).expect("a level");
    let worst = report.findings().map(|finding| rank(&finding["level"])).max();
    assert_eq!(worst, Some(rank(&report.json["level"])));
    for finding in report.findings() {
        let keys: Vec<&str> = finding.keys().map(String::as_str).collect();
        assert_eq!(keys, ["group", "check", "level", "found", "remedy"]);
        let remedy = &finding["remedy"];
        assert!(
            ["ok", "registered"].contains(&finding["level"].as_str().expect("text"))
                || remedy.is_string(),
            "{finding:?}"
        );
        assert!(remedy.is_null() || remedy.is_string(), "{finding:?}");
    }
    let top: Vec<&String> = report.json.as_object().expect("an object").keys().collect();
    assert_eq!(top, ["level", "findings"]);
}

#[test]
fn the_text_has_one_line_for_each_finding() {
    let report = Report::here(&[]);
    let text = devgate(&["doctor"], "");
    let lines: Vec<&str> = text.text().lines().collect();
    assert_eq!(lines.len(), report.findings().count());
    for (line, finding) in lines.iter().zip(report.findings()) {
        let value = |key| finding[key].as_str();
        let found = value("found").expect("text");
        let end = match value("remedy") {
            Some(remedy) => format!("  {found}; {remedy}"),
            None => format!("  {found}"),
        };
        let name = format!("{}/{}", value("group").expect("text"), value("check").expect("text"));
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        assert_eq!(words, [value("level").expect("text"), name.as_str()], "{line}");
        assert!(line.ends_with(&end), "{line:?} does not end with {end:?}");
    }
}

#[test]
fn groups_come_once_and_in_their_order() {
    let groups = |asked: &[&str]| {
        let report = Report::here(asked);
        let mut groups: Vec<String> =
            report.findings().map(|f| f["group"].as_str().expect("text").to_owned()).collect();
        groups.dedup();
        groups
    };
    assert_eq!(groups(&[])[..4], ["kernel", "privileges", "cgroup", "security"]);
    assert_eq!(groups(&["security", "cgroup", "cgroup"]), ["cgroup", "security"]);
}
