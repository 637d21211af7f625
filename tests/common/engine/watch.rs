//! What devgate and the kernel tell of a container's programs.

use std::fs;
use std::path::Path;

use devgate::kernel::{ProgId, Program, ProgramError};
use nix::errno::Errno;
use oci_spec::runtime::LinuxDeviceCgroup;
use serde::Deserialize;
use serde_json::Value;

use super::super::command::devgate;

/// A line of the hook's log.
#[derive(Debug, Deserialize)]
pub struct HookRun {
    pub result: String,
    pub container: Option<String>,
    pub cgroup: Option<String>,
    pub program: Option<u32>,
    pub pin: Option<String>,
    pub detached: Vec<u32>,
    pub warnings: Vec<String>,
    pub error: Option<String>,
}

/// What a run after a container has stopped comes to.
const AT_POSTSTOP: [&str; 2] = ["released", "kept"];

/// The runs of the hook for containers that started, which logged to this file.
pub fn hook_runs(log: &str) -> Vec<HookRun> {
    let mut runs = all_hook_runs(log);
    runs.retain(|run| !AT_POSTSTOP.contains(&run.result.as_str()));
    runs
}

/// The runs of the hook for containers that stopped, which logged to this file.
pub fn releases(log: &str) -> Vec<HookRun> {
    let mut runs = all_hook_runs(log);
    runs.retain(|run| AT_POSTSTOP.contains(&run.result.as_str()));
    runs
}

fn all_hook_runs(log: &str) -> Vec<HookRun> {
    let text = fs::read_to_string(log).expect("the hook made its log");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("the log is JSON lines")
}

/// What `devgate inspect --json` prints for a cgroup.
#[derive(Debug, Deserialize)]
pub struct Inspected {
    flags: Option<String>,
    programs: Vec<InspectedProgram>,
    effective: Effective,
}

#[derive(Debug, Deserialize)]
struct InspectedProgram {
    id: u32,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Effective {
    rules: Vec<LinuxDeviceCgroup>,
    irregular: Vec<Value>,
    unknown: Vec<u32>,
}

impl Inspected {
    pub fn of(cgroup: &Path) -> Inspected {
        let cgroup = cgroup.to_str().expect("the cgroup's path is text");
        let run = devgate(&["inspect", "--cgroup", cgroup, "--json"], "");
        serde_json::from_str(run.success()).expect("it is JSON")
    }

    /// Exactly one program is attached to the cgroup: this one, and devgate made it.
    #[track_caller]
    pub fn assert_ours_alone(&self, id: u32) {
        let [program] = &self.programs[..] else { panic!("not one: {:?}", self.programs) };
        assert_eq!((program.id, self.flags.as_deref()), (id, Some("multi")));
        assert_eq!(program.name, "devgate", "{program:?}");
    }

    /// Programs are attached to the cgroup, and none is devgate's.
    #[track_caller]
    pub fn assert_none_of_ours(&self) {
        let ours = |program: &InspectedProgram| program.name.starts_with("devgate");
        let programs = &self.programs;
        assert!(!programs.is_empty() && !programs.iter().any(ours), "{programs:?}");
    }

    /// No program is attached to the cgroup.
    #[track_caller]
    pub fn assert_nothing(&self) {
        assert!(self.programs.is_empty(), "{:?}", self.programs);
    }

    /// What is allowed, all of it: rules like `allow c 1:3 rw`, in order of their texts.
    #[track_caller]
    pub fn rules(&self) -> Vec<String> {
        let Effective { rules, irregular, unknown } = &self.effective;
        assert!(irregular.is_empty() && unknown.is_empty(), "{:?}", self.effective);
        let mut rules: Vec<String> = rules.iter().map(text).collect();
        rules.sort();
        rules
    }
}

fn text(rule: &LinuxDeviceCgroup) -> String {
    let verdict = if rule.allow() { "allow" } else { "deny" };
    let device_type = rule.typ().unwrap_or_default();
    let number = |number: Option<i64>| number.map_or("*".to_owned(), |number| number.to_string());
    let (major, minor) = (number(rule.major()), number(rule.minor()));
    let access = rule.access().as_deref().unwrap_or_default();
    format!("{verdict} {} {major}:{minor} {access}", device_type.as_str())
}

/// Whether the kernel has a program with this id.
pub fn is_loaded(id: u32) -> bool {
    match Program::by_id(ProgId::new(id)) {
        Ok(_) => true,
        Err(ProgramError::Open { errno: Errno::ENOENT, .. }) => false,
        Err(error) => panic!("{error}"),
    }
}
