//! The alert rules, by promtool.

use std::path::Path;
use std::process::Command;

use super::common::command::{devgate, run};
use super::common::require::{self, require};

pub const PROMTOOL: &str = "/usr/bin/promtool";
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/prometheus");

pub fn ready() -> bool {
    require(Path::new(PROMTOOL).exists(), "there is no prometheus (tests/testbed/provision.sh)")
}

fn promtool(args: &[&str], input: &str) -> String {
    let found = run(Command::new(PROMTOOL).args(args).current_dir(FOLDER), input);
    assert_eq!(found.code, Some(0), "{args:?}: {found:?}");
    assert_eq!(found.stderr, "", "{args:?}");
    found.text().to_owned()
}

#[test]
fn each_alert_fires_when_it_should_and_not_when_all_is_well() {
    if !ready() {
        return;
    }
    let checked = promtool(&["check", "rules", "devgate.rules.yml"], "");
    assert!(checked.contains("SUCCESS: 15 rules found"), "{checked}");
    promtool(&["test", "rules", "devgate.rules.test.yml"], "");
    let rules = include_str!("../../packaging/prometheus/devgate.rules.yml");
    let tests = include_str!("../../packaging/prometheus/devgate.rules.test.yml");
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(alerts.len(), 15);
    for alert in alerts {
        let fires = format!("    alertname: {alert}\n    exp_alerts:");
        assert!(tests.contains(&fires), "no test lets {alert} fire");
        let silent = format!("eval_time: 100m, alertname: {alert} }}");
        assert!(tests.contains(&silent), "no test has {alert} silent where all is well");
    }
}

/// promtool warns about names and texts that are not as Prometheus has them.
#[test]
fn the_text_is_as_prometheus_wants_it() {
    if !(ready() && require::bpf()) {
        return;
    }
    promtool(&["check", "metrics"], devgate(&["metrics"], "").success());
}
