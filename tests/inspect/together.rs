//! Several programs, on the cgroup and above it.

use std::os::fd::AsFd;

use devgate::kernel::{Stale, query_effective};
use serde_json::{Value, json};

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::enforce::put;
use super::common::require;

fn report(cgroup: &TestCgroup) -> Value {
    let run = devgate(&["inspect", "--json", cgroup.text()], "");
    serde_json::from_str(run.success()).expect("one JSON object")
}

#[test]
fn the_schema_is_what_the_readme_says() {
    if !require::bpf() {
        return;
    }
    let outer = TestCgroup::new();
    let inner = outer.child();
    put(&outer, &["allow c 1:* rwm"], Stale::All);
    put(&inner, &["allow c 1:3 rwm", "allow c 5:0 r"], Stale::All);
    let report = report(&inner);
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().expect("an object").keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(
        keys(&report),
        [
            "ancestors",
            "cgroup",
            "differences",
            "effective",
            "flags",
            "programs",
            "revision",
            "unseen"
        ]
    );
    assert_eq!(keys(&report["ancestors"][0]), ["cgroup", "flags", "programs", "revision"]);
    assert_eq!(
        keys(&report["programs"][0]),
        [
            "generator",
            "id",
            "instructions",
            "irregular",
            "link",
            "listed",
            "loaded",
            "name",
            "observes",
            "opaque",
            "retval",
            "rules",
            "runs",
            "tag",
            "uid"
        ]
    );
    assert_eq!(
        keys(&report["effective"]),
        ["irregular", "opaque", "retval", "rules", "uncertain", "unknown", "verdict"]
    );
    assert_eq!(report["ancestors"][0]["cgroup"], outer.text());
    assert_eq!(report["programs"][0]["generator"], "devgate");
    assert_eq!(report["unseen"], json!([]));
}

#[test]
fn effective_is_what_all_allow_and_differences_say_who_does_not() {
    if !require::bpf() {
        return;
    }
    let outer = TestCgroup::new();
    let inner = outer.child();
    let above = put(&outer, &["allow c 1:* rwm"], Stale::All).id;
    let own = put(&inner, &["allow c 1:3 rwm", "allow c 5:0 r"], Stale::All).id;
    let report = report(&inner);
    assert_eq!(
        report["effective"]["rules"],
        json!([{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}])
    );
    let difference = &report["differences"][0];
    assert_eq!(difference["allows"], own.number());
    assert_eq!(difference["denies"], above.number());
    let region = json!({"type": "c", "major": [5, 5], "minor": [0, 0], "accesses": ["-", "r"]});
    assert_eq!(difference["regions"], json!([region]));
    let run = devgate(&["inspect", inner.text()], "");
    let name = outer.path().file_name().unwrap().to_str().unwrap();
    let line = format!("{own} allows c 5:0 r (/dev/tty); {above} (devgate, on {name}) does not");
    assert!(run.success().lines().any(|found| found == line), "{}", run.text());
}

#[test]
fn an_overridden_program_does_not_run() {
    if !require::bpf() {
        return;
    }
    const OVERRIDE: u32 = 1;
    let outer = TestCgroup::new();
    let inner = outer.child();
    let above = Foreign::denying("overridden");
    let own = Foreign::allowing("overrides");
    above.attach(outer.open().as_fd(), OVERRIDE);
    own.attach(inner.open().as_fd(), OVERRIDE);
    let report = report(&inner);
    assert_eq!(report["programs"][0]["runs"], true);
    assert_eq!(report["ancestors"][0]["programs"][0]["runs"], false);
    assert_eq!(
        report["effective"]["rules"],
        json!([{"allow": true, "type": "a", "access": "rwm"}])
    );
}

/// The kernel runs it twice, or once where the one above may be overridden.
#[test]
fn one_program_on_parent_and_child() {
    if !require::bpf() {
        return;
    }
    const OVERRIDE: u32 = 1;
    const MULTI: u32 = 2;
    for (above, below, runs) in
        [(MULTI, MULTI, true), (OVERRIDE, MULTI, false), (OVERRIDE, OVERRIDE, false)]
    {
        let outer = TestCgroup::new();
        let inner = outer.child();
        let program = Foreign::denying("both");
        program.attach(outer.open().as_fd(), above);
        program.attach(inner.open().as_fd(), below);
        let effective = query_effective(inner.open().as_fd()).expect("it can be listed");
        assert_eq!(effective.len(), if runs { 2 } else { 1 });
        let report = report(&inner);
        assert_eq!(report["programs"][0]["runs"], true);
        assert_eq!(report["ancestors"][0]["programs"][0]["runs"], runs, "{above} {below}");
        assert_eq!(report["unseen"], json!([]));
        let run = devgate(&["inspect", inner.text()], "");
        assert_eq!(run.success().contains("overridden below"), !runs, "{}", run.text());
    }
}

#[test]
fn rules_are_a_config_that_makes_no_difference() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let rules = ["allow a *:* rw", "deny c 1:* w", "allow b 8:3 m", "deny c 1:11 r"];
    put(&cgroup, &rules, Stale::All);
    let run = devgate(&["inspect", "--rules", cgroup.text()], "");
    let devices: Value = serde_json::from_str(run.success()).expect("an array");
    let config = json!({"linux": {"resources": {"devices": devices}}}).to_string();
    let diff = |defaults: &str| {
        let args = ["check", "--cgroup", cgroup.text(), "--diff", "--config", "-"];
        devgate(&[&args[..], &["--default-devices", defaults]].concat(), &config)
    };
    assert_eq!(diff("none").success(), "no difference\n");
    let differs = diff("base");
    assert_eq!(differs.code, Some(3));
    assert!(
        differs.text().contains("the config allows c 136:* m (/dev/pts/*), the programs do not")
            || differs.text().contains("the config allows c "),
        "{}",
        differs.text()
    );
}

#[test]
fn asm_adds_the_instructions() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    Foreign::allowing("short").attach(cgroup.open().as_fd(), 2);
    let run = devgate(&["inspect", "--asm", cgroup.text()], "");
    assert!(run.success().contains("0: r0 = 1\n        1: exit\n"), "{}", run.text());
}
