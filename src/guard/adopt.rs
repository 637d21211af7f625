//! Containers that started without the hook: crun's restore runs none, for example.
//!
//! What would have been enforced is in the bundle's config.json: the rules, and the hook with its
//! options. So the guard runs the hook, late.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;

use super::bundle::{Bundle, BundleError};
use super::finder::{Candidate, Verdict};
use super::look::linked;
use super::{Found, Options, Settings};
use crate::cgroup::{Cgroup, CgroupError, Process, ProcessError};
use crate::container::runtimes::{State, state};
use crate::container::{ContainerId, RecordStore, StateError, StoreError};
use crate::hold::{HoldError, PINS, Pins};
use crate::hook::{Annotated, AnnotationError, ContainerRules, Enforced, HookError, Root, run_in};
use crate::install::Registration;

/// For how long a container that starts is the hook's.
const GRACE: Duration = Duration::from_secs(3);

/// After this a process that looks like a runtime's is taken for the container's: the container
/// may choose its processes' names.
const LONGEST_START: Duration = Duration::from_secs(30);

/// The names of a runtime's process before it runs the container's program.
const RUNTIMES: [&str; 3] = ["runc:[", "crun", "youki"];

/// Why a container that was found is not under its policy.
#[derive(Debug, Error)]
pub enum AdoptError {
    /// The runtime's state can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The bundle can't be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The hook is registered with options that devgate does not know.
    #[error("devgate's hook in the config.json of bundle {}: {problem}", bundle.display())]
    Registration {
        /// The bundle.
        bundle: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It asks for what it can't have.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// There is a record, and it can't be read.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// Its cgroup can't be told.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Nobody can tell what the container may open.
    #[error("config.json of bundle {} has no linux.resources.devices", bundle.display())]
    NoRules {
        /// The bundle.
        bundle: PathBuf,
    },
    /// The runtime's state does not tell its cgroup.
    #[error("the runtime's state names no cgroup2 cgroup")]
    NoCgroup,
    /// Its process is in a cgroup that may be anybody's.
    #[error(
        "process {pid} is in cgroup {}, and the container's cgroup is {} by the runtime's state",
        cgroup.display(), stated.display()
    )]
    Elsewhere {
        /// The process's id on the host.
        pid: i32,
        /// The process's cgroup, as /proc/PID/cgroup has it.
        cgroup: PathBuf,
        /// The container's.
        stated: PathBuf,
    },
    /// Its record is of another cgroup, which was not removed.
    #[error(
        "its record is of cgroup {}, which still exists: its process was moved, or another \
         container has the same id", recorded.display()
    )]
    Recorded {
        /// That cgroup.
        recorded: PathBuf,
    },
    /// Its cgroup has the policy of another container.
    #[error("container {other} has a record of the same cgroup {}", cgroup.display())]
    Others {
        /// The cgroup.
        cgroup: PathBuf,
        /// The other container.
        other: ContainerId,
    },
    /// The hook ran. Its policy may have been changed since, so config.json does not tell it.
    #[error(
        "cgroup {} has devgate's program and no record: its record was lost; the program stays \
         in force", cgroup.display()
    )]
    RecordLost {
        /// The cgroup.
        cgroup: PathBuf,
    },
    /// Whether its cgroup has devgate's program can't be told.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The policy is not in force.
    #[error(transparent)]
    Hook(#[from] HookError),
}

/// What became of a candidate.
#[derive(Debug)]
pub(super) enum Adopted {
    Verdict(Verdict),
    /// It started without the hook, and its policy is in force now.
    Enforced {
        enforced: Box<Enforced>,
        warnings: Vec<String>,
        found: String,
    },
}

/// Looks at a container's directory in a runtime's root.
pub(super) fn adopt(
    dir: &Path,
    candidate: &Candidate,
    records: &RecordStore,
    options: &Options,
    now: Instant,
) -> Result<Adopted, AdoptError> {
    let settled = Ok(Adopted::Verdict(Verdict::Settled));
    let wait = Ok(Adopted::Verdict(Verdict::Wait));
    let Some(State { pid, started, bundle, cgroups }) = state(dir)? else { return wait };
    let Some(process) = pin(pid, started)? else { return settled };
    let cgroup = Cgroup::of(&process)?;
    let record = records.get(&candidate.id)?;
    let recorded = record.as_ref().map(|record| Cgroup::of_id(record.cgroup.id));
    let recorded = recorded.transpose()?.flatten();
    if recorded.as_ref().is_some_and(|recorded| cgroup.is_at_or_below(recorded)) {
        return settled;
    }
    let age = age(dir, candidate, now);
    if age < GRACE || (age < LONGEST_START && is_runtimes(pid)) {
        return wait;
    }
    let Bundle { input, has_rules, registration } =
        Bundle::read(&bundle, candidate.id.as_str(), pid)?;
    let Some(settings) = settings(registration.as_ref(), &bundle, options)? else {
        return settled;
    };
    let own = containers_own(pid, cgroup, &cgroups)?;
    if let Some(recorded) = recorded {
        return Err(AdoptError::Recorded { recorded: recorded.path().to_owned() });
    }
    must_be_free(&own, &candidate.id, records)?;
    if !has_rules {
        return Err(AdoptError::NoRules { bundle });
    }
    let annotated = Annotated::new(&input.state.annotations)?;
    let default_devices = annotated.default_devices(settings.default_devices);
    let rules = ContainerRules::new(input.config.rules, default_devices);
    let above = |of_process: &Cgroup| match of_process.is_at_or_below(&own) {
        true => Ok(Some(own)),
        false => Err(moved(pid, &own, of_process)),
    };
    let enforced = run_in(&input.state, rules, settings.hook, None, Root::Entered, above)?;
    let found = match record {
        None => "the container has no record".to_owned(),
        Some(record) => format!("its record is of cgroup {}", record.cgroup.path.display()),
    };
    Ok(Adopted::Enforced { warnings: enforced.warnings(), enforced: Box::new(enforced), found })
}

/// The container's first process; `None` if that is gone, even if another one has its id now.
fn pin(pid: i32, started: Option<u64>) -> Result<Option<Process>, AdoptError> {
    let pinned = Process::pin(pid).and_then(|process| Ok((process.start_time()?, process)));
    match pinned {
        Err(ProcessError::Missing { .. } | ProcessError::Exited { .. }) => Ok(None),
        Err(error) => Err(CgroupError::from(error).into()),
        Ok((start, process)) => Ok(started.is_none_or(|it| it == start).then_some(process)),
    }
}

/// The container's own cgroup, which its process is in, or below: a systemd inside makes some.
fn containers_own(pid: i32, cgroup: Cgroup, stated: &[PathBuf]) -> Result<Cgroup, AdoptError> {
    let widest = stated.last().ok_or(AdoptError::NoCgroup)?;
    let name = cgroup.name().to_owned();
    let elsewhere = || {
        let (cgroup, stated) = (name.clone(), widest.clone());
        AdoptError::Elsewhere { pid, cgroup, stated }
    };
    let is_there = |stated: &&PathBuf| name.starts_with(stated);
    let stated = stated.iter().find(is_there).ok_or_else(elsewhere)?;
    let mut own = cgroup;
    while own.name() != stated {
        own = own.parent()?.ok_or_else(elsewhere)?;
    }
    Ok(own)
}

/// Fails if the cgroup has a policy, of this container or of another one.
fn must_be_free(own: &Cgroup, id: &ContainerId, records: &RecordStore) -> Result<(), AdoptError> {
    let cgroup_id = own.id()?;
    // A record that can't be read is an event of its own.
    if let Some(other) = records.other_of_cgroup(cgroup_id, id)? {
        return Err(AdoptError::Others { cgroup: own.path().to_owned(), other });
    }
    match linked(Pins::existing(PINS.as_ref())?.as_ref(), cgroup_id)? {
        Some(_) => Err(AdoptError::RecordLost { cgroup: own.path().to_owned() }),
        None => Ok(()),
    }
}

fn moved(pid: i32, from: &Cgroup, to: &Cgroup) -> CgroupError {
    let (from, to) = (from.name().to_owned(), to.name().to_owned());
    ProcessError::Moved { pid, from, to }.into()
}

/// How the policy is to be enforced; `None` if it is not devgate's.
fn settings(
    registration: Option<&Registration>,
    bundle: &Path,
    options: &Options,
) -> Result<Option<Settings>, AdoptError> {
    match (options.found, registration) {
        (Found::None, _) | (Found::Hooked, None) => Ok(None),
        (Found::All, None) => Ok(Some(options.settings)),
        (Found::Hooked | Found::All, Some(registration)) => {
            let parsed = (options.parse)(registration);
            let bundle = bundle.to_owned();
            parsed.map(Some).map_err(|problem| AdoptError::Registration { bundle, problem })
        }
    }
}

/// For how long there has been a container, by the clock or since it was seen.
fn age(dir: &Path, candidate: &Candidate, now: Instant) -> Duration {
    let made = fs::metadata(dir).and_then(|found| found.modified()).ok();
    let by_clock = made.and_then(|made| SystemTime::now().duration_since(made).ok());
    now.saturating_duration_since(candidate.since).max(by_clock.unwrap_or_default())
}

/// Whether the process is still the runtime's, by its name.
fn is_runtimes(pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    RUNTIMES.iter().any(|runtime| name.starts_with(runtime))
}
