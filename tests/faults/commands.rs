//! The commands that are run.

use std::process::Command as Process;

use devgate::hold::HoldMode;
use devgate::kernel::Stale;

use super::common::command::command;
use super::stage::Stage;

/// A command of devgate's.
#[derive(Debug)]
pub struct Command {
    pub name: &'static str,
    /// Words in capitals stand for what the stage has.
    args: &'static [&'static str],
    pub does: Does,
    pub logs: bool,
    /// Whether a link is to hold the program.
    pub holds: Option<HoldMode>,
}

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It attaches a program in place of these.
    Attach(Stale),
    /// It takes off the first program.
    Detach,
}

const fn attach(name: &'static str, stale: Stale, args: &'static [&'static str]) -> Command {
    Command { name, args, does: Does::Attach(stale), logs: false, holds: None }
}

static COMMANDS: &[Command] = &[
    attach("hook", Stale::All, &["hook", "--hold", "no"]),
    Command {
        logs: true,
        ..attach("hook-log", Stale::All, &["hook", "--hold", "no", "--log", "LOG"])
    },
    attach("hook-own", Stale::Own, &["hook", "--hold", "no", "--stale", "own"]),
    attach("hook-beside", Stale::None, &["hook", "--hold", "no", "--stale", "none"]),
    attach(
        "apply",
        Stale::All,
        &["apply", "--hold", "no", "--cgroup", "CGROUP", "--config", "CONFIG"],
    ),
    Command {
        logs: true,
        holds: Some(HoldMode::Try),
        ..attach("hook-try", Stale::All, &["hook", "--log", "LOG"])
    },
    Command {
        holds: Some(HoldMode::Require),
        ..attach("hook-require", Stale::All, &["hook", "--hold", "require"])
    },
    Command {
        holds: Some(HoldMode::Try),
        ..attach("apply-try", Stale::All, &["apply", "--cgroup", "CGROUP", "--config", "CONFIG"])
    },
    Command {
        name: "detach",
        args: &["detach", "--cgroup", "CGROUP", "--id", "FIRST"],
        does: Does::Detach,
        logs: false,
        holds: None,
    },
];

/// The binary that is run in place of the one that cargo built for the test.
const BINARY: &str = "DEVGATE_FAULTS_BINARY";

/// What a person runs to see one case again, which is for the same binary: others make other
/// syscalls.
pub fn again(case: &str) -> String {
    match std::env::var_os(BINARY) {
        Some(_) => format!("make faults CASE='{case}'"),
        None => {
            format!("DEVGATE_FAULTS_CASE='{case}' cargo test --test faults -- --ignored one_case")
        }
    }
}

impl Command {
    pub fn named(name: &str) -> &'static Command {
        let found = COMMANDS.iter().find(|command| command.name == name);
        found.unwrap_or_else(|| panic!("no command is called {name}"))
    }

    /// It, to be run on the stage.
    pub fn on(&self, stage: &Stage) -> Process {
        let arg = |arg: &&str| match *arg {
            "LOG" => stage.log().display().to_string(),
            "CONFIG" => stage.config().display().to_string(),
            "CGROUP" => stage.cgroup().text().to_owned(),
            "FIRST" => stage.before().first().map_or("1".to_owned(), ToString::to_string),
            other => other.to_owned(),
        };
        let mut process = match std::env::var_os(BINARY) {
            Some(binary) => Process::new(binary),
            None => command(&[]),
        };
        process.args(self.args.iter().map(arg));
        // The environment's size and words must not make one run differ from another.
        process.env_clear();
        process
    }
}
