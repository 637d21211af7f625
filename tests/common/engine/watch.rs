//! What devgate and the kernel tell of a container's programs.

use std::fs;
use std::path::Path;

use devgate::kernel::{ProgId, Program, ProgramError};
use nix::errno::Errno;
use serde::Deserialize;

use super::super::command::devgate;

/// A line of the hook's log.
#[derive(Debug, Deserialize)]
pub struct HookRun {
    pub result: String,
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
}

#[derive(Debug, Deserialize)]
struct InspectedProgram {
    id: u32,
    name: String,
}

/// Exactly one program is attached to the cgroup: this one, and devgate made it.
#[track_caller]
pub fn assert_ours_alone(cgroup: &Path, id: u32) {
    let cgroup = cgroup.to_str().expect("the cgroup's path is text");
    let run = devgate(&["inspect", "--cgroup", cgroup, "--json"], "");
    let found: Inspected = serde_json::from_str(run.success()).expect("it is JSON");
    let [program] = &found.programs[..] else { panic!("not one: {:?}", found.programs) };
    assert_eq!((program.id, found.flags.as_deref()), (id, Some("multi")));
    assert!(program.name.starts_with("devgate"), "{program:?}");
}

/// Whether the kernel has a program with this id.
pub fn is_loaded(id: u32) -> bool {
    match Program::by_id(ProgId::new(id)) {
        Ok(_) => true,
        Err(ProgramError::Open { errno: Errno::ENOENT, .. }) => false,
        Err(error) => panic!("{error}"),
    }
}
