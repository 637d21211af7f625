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
use super::runtimes::{State, StateError, state};
use super::{Found, Options, Settings};
use crate::cgroup::{Cgroup, CgroupError, Process, ProcessError};
use crate::container::{Record, RecordStore, StoreError};
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
    let Some(State { pid, bundle, cgroups }) = state(dir)? else { return wait };
    let process = match Process::pin(pid) {
        Err(ProcessError::Missing { .. } | ProcessError::Exited { .. }) => return settled,
        process => process.map_err(CgroupError::from)?,
    };
    let cgroup = Cgroup::of(&process)?;
    let record = records.get(&candidate.id)?;
    if let Some(record) = &record
        && is_of(record, &cgroup)?
    {
        return settled;
    }
    let age = age(dir, candidate, now);
    if age < GRACE || (age < LONGEST_START && is_runtimes(pid)) {
        return wait;
    }
    let Bundle { input, registration } = Bundle::read(&bundle, candidate.id.as_str(), pid)?;
    let Some(settings) = settings(registration.as_ref(), &bundle, options)? else {
        return settled;
    };
    let annotated = Annotated::new(&input.state.annotations)?;
    let default_devices = annotated.default_devices(settings.default_devices);
    let rules = ContainerRules { config: input.config.rules, default_devices };
    let above = |cgroup: &Cgroup| containers_own(cgroup, &cgroups);
    let enforced = run_in(&input.state, rules, settings.hook, Root::Entered, above)?;
    let found = match record {
        None => "the container has no record".to_owned(),
        Some(record) => format!("its record is of cgroup {}", record.cgroup.path.display()),
    };
    Ok(Adopted::Enforced { warnings: enforced.warnings(), enforced: Box::new(enforced), found })
}

/// Whether the record is of the container that has this cgroup, or one above it.
fn is_of(record: &Record, cgroup: &Cgroup) -> Result<bool, CgroupError> {
    let recorded = Cgroup::of_id(record.cgroup.id)?;
    Ok(recorded.is_some_and(|recorded| cgroup.is_at_or_below(&recorded)))
}

/// The container's own cgroup, if its process is in one below it: a systemd inside makes some.
fn containers_own(cgroup: &Cgroup, stated: &[PathBuf]) -> Result<Option<Cgroup>, CgroupError> {
    let is_there = |stated: &&PathBuf| cgroup.name().starts_with(stated);
    let Some(own) = stated.iter().find(is_there) else { return Ok(None) };
    let mut found = None;
    while found.as_ref().unwrap_or(cgroup).name() != own {
        match found.as_ref().unwrap_or(cgroup).parent()? {
            Some(parent) => found = Some(parent),
            None => return Ok(None),
        }
    }
    Ok(found)
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
