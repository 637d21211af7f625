//! What devgate and the kernel tell of a container's programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use devgate::kernel::{ProgId, Program, ProgramError};
use nix::errno::Errno;
use oci_spec::runtime::LinuxDeviceCgroup;
use serde::Deserialize;

use super::super::command::devgate;

/// A line of the hook's log.
#[derive(Debug, Deserialize)]
pub struct HookRun {
    pub result: String,
    pub container: Option<String>,
    pub cgroup: Option<String>,
    pub program: Option<u32>,
    pub detached: Vec<u32>,
    pub error: Option<String>,
}

/// The runs of the hook that logged to this file.
pub fn hook_runs(log: &str) -> Vec<HookRun> {
    let text = fs::read_to_string(log).expect("the hook made its log");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("the log is JSON lines")
}

#[derive(Deserialize)]
struct Inspected {
    flags: Option<String>,
    programs: Vec<InspectedProgram>,
    effective: Effective,
}

#[derive(Deserialize)]
struct Effective {
    rules: Vec<LinuxDeviceCgroup>,
}

#[derive(Debug, Deserialize)]
struct InspectedProgram {
    id: u32,
    name: String,
}

/// Exactly one program is attached to the cgroup: this one, and devgate made it.
#[track_caller]
pub fn assert_ours_alone(cgroup: &Path, id: u32) {
    let found = inspect(cgroup);
    let [program] = &found.programs[..] else { panic!("not one: {:?}", found.programs) };
    assert_eq!((program.id, found.flags.as_deref()), (id, Some("multi")));
    assert!(program.name.starts_with("devgate"), "{program:?}");
}

/// Programs are attached to the cgroup, and none is devgate's.
#[track_caller]
pub fn assert_none_of_ours(cgroup: &Path) {
    let programs = inspect(cgroup).programs;
    let ours = |program: &InspectedProgram| program.name.starts_with("devgate");
    assert!(!programs.is_empty() && !programs.iter().any(ours), "{programs:?}");
}

/// The rules that all the programs above a process in this cgroup come to.
#[track_caller]
pub fn effective(cgroup: &Path) -> BTreeSet<String> {
    inspect(cgroup).effective.rules.iter().map(rule).collect()
}

fn rule(rule: &LinuxDeviceCgroup) -> String {
    let verdict = if rule.allow() { "allow" } else { "deny" };
    format!("{verdict} {rule}")
}

#[track_caller]
fn inspect(cgroup: &Path) -> Inspected {
    let cgroup = cgroup.to_str().expect("the cgroup's path is text");
    let run = devgate(&["inspect", "--cgroup", cgroup, "--json"], "");
    serde_json::from_str(run.success()).expect("it is JSON")
}

/// Whether the kernel has a program with this id.
pub fn is_loaded(id: u32) -> bool {
    match Program::by_id(ProgId::new(id)) {
        Ok(_) => true,
        Err(ProgramError::Open { errno: Errno::ENOENT, .. }) => false,
        Err(error) => panic!("{error}"),
    }
}
