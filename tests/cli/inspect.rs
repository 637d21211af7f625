//! `devgate inspect`, for what is attached to one cgroup.

use std::os::fd::AsFd;

use serde_json::Value;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::enforce::put;
use super::common::require;
use super::common::sleeper::Sleeper;
use devgate::kernel::{ProgId, Program, Stale};

fn json(args: &[&str]) -> Value {
    let run = devgate(&[&["inspect", "--json"][..], args].concat(), "");
    serde_json::from_str(run.success()).expect("one JSON object")
}

#[test]
fn a_cgroup_without_programs() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let json = json(&["--cgroup", cgroup.text()]);
    assert_eq!(json["cgroup"], cgroup.text());
    assert_eq!(json["flags"], Value::Null);
    assert_eq!(json["programs"], Value::Array(Vec::new()));
    let run = devgate(&["inspect", "--cgroup", cgroup.text()], "");
    let text = run.success();
    assert!(text.starts_with(&format!("cgroup {}\n", cgroup.text())), "{text}");
    assert!(text.contains("no device program is attached to it\n"), "{text}");
}

fn is_described(entry: &Value, id: ProgId, name: &str, instructions: u64) {
    let program = Program::by_id(id).expect("it is there");
    assert_eq!(entry["id"], id.number());
    assert_eq!(entry["name"], name);
    assert_eq!(entry["tag"], program.tag_text());
    assert_eq!(entry["uid"], 0);
    assert_eq!(entry["instructions"], instructions);
    let loaded = entry["loaded"].as_str().expect("a time");
    assert!(loaded.starts_with("20") && loaded.ends_with('Z'), "{loaded}");
}

#[test]
fn each_program_with_its_id_name_tag_flags_and_instructions() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let foreign = Foreign::denying("somebody_elses");
    foreign.attach(cgroup.open().as_fd(), 2);
    let ours = put(&cgroup, &["allow a *:* rwm"], Stale::None).id;
    let json = json(&["--cgroup", cgroup.text()]);
    assert_eq!(json["flags"], "multi");
    let programs = json["programs"].as_array().expect("an array");
    assert_eq!(programs.len(), 2);
    is_described(&programs[0], foreign.id, "somebody_elses", 2);
    is_described(&programs[1], ours, "devgate", 2);
    let run = devgate(&["inspect", "--cgroup", cgroup.text()], "");
    let text = run.success();
    for part in ["somebody_elses", "multi", &ours.to_string(), &foreign.id.to_string()] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn how_a_lone_program_is_attached() {
    if !require::bpf() {
        return;
    }
    for (flags, word) in [(0, "exclusive"), (1, "override"), (2, "multi")] {
        let cgroup = TestCgroup::new();
        Foreign::allowing("lone").attach(cgroup.open().as_fd(), flags);
        assert_eq!(json(&["--cgroup", cgroup.text()])["flags"], word);
    }
}

#[test]
fn by_a_process() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let sleeper = Sleeper::within(&cgroup);
    let id = put(&cgroup, &["allow c 1:3 r"], Stale::All).id;
    let pid = sleeper.pid().to_string();
    let of_pid = json(&["--pid", &pid]);
    assert_eq!(of_pid["cgroup"], cgroup.text());
    assert_eq!(of_pid["programs"][0]["id"], id.number());
    assert_eq!(of_pid, json(&["--cgroup", cgroup.text()]));
}
