//! The whole hook as a process, from spawn to exit.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::json;

use crate::cgroup::Cgroup;
use crate::opener::Opener;
use crate::policy::Policy;
use crate::samples::{Samples, Summary, order};
use crate::spawn::run;
use crate::tools::{Tools, floor, nothing, write_config};
use crate::world::World;
use crate::{progress, return_1, sys};

/// One policy's hooks, side by side.
#[derive(Debug, Serialize)]
pub struct Hooks {
    /// The policy.
    pub policy: &'static str,
    /// devgate first, in the order of the table.
    pub hooks: Vec<Hook>,
    /// Hooks that fail with this policy. Their times, not paired, are those until they do.
    pub failed: Vec<(Hook, String)>,
}

/// One hook.
#[derive(Debug, Serialize)]
pub struct Hook {
    /// Its name.
    pub name: &'static str,
    /// Its time over devgate's, the median of the pairs.
    pub over_devgate: f64,
    /// Microseconds from spawn to exit.
    pub us: Summary,
    /// Minor page faults, the median.
    pub faults: f64,
}

impl Hooks {
    /// The hook of this name.
    pub fn get(&self, name: &str) -> Option<&Hook> {
        self.hooks.iter().find(|hook| hook.name == name)
    }

    /// The failing hook of this name.
    pub fn get_failed(&self, name: &str) -> Option<&Hook> {
        self.failed.iter().map(|(hook, _)| hook).find(|hook| hook.name == name)
    }
}

/// devgate's name in the table.
pub const DEVGATE: &str = "devgate";
/// The floor's.
pub const FLOOR: &str = "floor (C, static)";
/// The peer's.
pub const LIBCGROUPS: &str = "libcgroups 0.7.0";
/// That of the program that does nothing, not a hook.
pub const NOTHING: &str = "nothing (C, static)";

struct Contender {
    name: &'static str,
    command: Vec<PathBuf>,
    times: Samples,
    faults: Samples,
}

/// What a hook runs on.
struct Stage<'w> {
    world: &'w World,
    cgroup: Cgroup,
    stale: OwnedFd,
    state: PathBuf,
    _process: Opener,
}

/// Measures the policy's hooks in `rounds` rounds, each of which runs every hook once; those
/// that fail, on their own as often as `failing` says.
pub fn measure(
    world: &World,
    tools: &Tools,
    policy: &Policy,
    rounds: usize,
    failing: usize,
) -> anyhow::Result<Hooks> {
    let name = format!("hook-{}", policy.file_name());
    let bundle = write_config(world, &name, policy)?;
    let stage = Stage::set(world, &name, &bundle)?;
    let program = tools.devgate_program(&bundle.join("config.json"))?;
    let mut contenders = Vec::new();
    let mut failed = Vec::new();
    for (name, command) in [
        (DEVGATE, vec![tools.devgate.clone(), "hook".into(), "--hold".into(), "no".into()]),
        (FLOOR, vec![floor(world, &format!("floor-{name}"), &program)?]),
        (NOTHING, vec![nothing(world)?]),
        (LIBCGROUPS, vec![tools.libcgroups.clone()]),
    ] {
        // The first run warms up, and shows what can't be run at all.
        let (times, faults) = Default::default();
        let mut contender = Contender { name, command, times, faults };
        match stage.run(&mut contender)? {
            None => {
                (contender.times, contender.faults) = Default::default();
                contenders.push(contender);
            }
            Some(failure) => failed.push((contender, failure)),
        }
    }
    for round in 0..rounds {
        progress(&format!("hook, {}", policy.name), round, rounds);
        for place in order(contenders.len(), round) {
            let failure = stage.run(&mut contenders[place])?;
            ensure!(failure.is_none(), "{}: {failure:?}", contenders[place].name);
        }
    }
    for (contender, _) in &mut failed {
        for _ in 1..failing {
            stage.run(contender)?;
        }
    }
    summarize(policy.name, &contenders, &failed)
}

fn summarize(
    policy: &'static str,
    contenders: &[Contender],
    failed: &[(Contender, String)],
) -> anyhow::Result<Hooks> {
    let devgate = contenders.first().filter(|first| first.name == DEVGATE);
    let devgate = devgate.context("devgate fails")?;
    let hook = |contender: &Contender| Hook {
        name: contender.name,
        over_devgate: contender.times.over(&devgate.times),
        us: contender.times.summary(),
        faults: contender.faults.median(),
    };
    let failure = |(contender, why): &(Contender, String)| {
        let over_devgate = contender.times.median() / devgate.times.median();
        (Hook { over_devgate, ..hook(contender) }, why.clone())
    };
    Ok(Hooks {
        policy,
        hooks: contenders.iter().map(hook).collect(),
        failed: failed.iter().map(failure).collect(),
    })
}

impl<'w> Stage<'w> {
    fn set(world: &'w World, name: &str, bundle: &Path) -> anyhow::Result<Stage<'w>> {
        let cgroup = world.cgroup(name)?;
        let process = Opener::start(&cgroup)?;
        let state = world.path(&format!("{name}.state"));
        let document = json!({
            "ociVersion": "1.0.2-dev",
            "id": name,
            "status": "creating",
            "pid": process.pid(),
            "bundle": bundle,
        });
        fs::write(&state, document.to_string())?;
        let stale = sys::load(&return_1())?;
        Ok(Stage { world, cgroup, stale, state, _process: process })
    }

    /// One run with exactly one stale program in the cgroup; how it failed, if it did. That the
    /// hook put one program in its place is looked at, out of the time.
    fn run(&self, contender: &mut Contender) -> anyhow::Result<Option<String>> {
        self.cgroup.put_only(self.stale.as_fd())?;
        let stale = self.cgroup.only_program()?;
        let command: Vec<&Path> = contender.command.iter().map(PathBuf::as_path).collect();
        let run = run(&command, &self.state, &self.world.path("log"))?;
        let now = self.cgroup.only_program().with_context(|| contender.name)?;
        let idle = contender.name == NOTHING || run.failure.is_some();
        ensure!((now == stale) == idle, "{} did not do its work", contender.name);
        contender.times.push_us(run.time);
        contender.faults.push(run.faults as f64);
        Ok(run.failure)
    }
}
