//! The flow: from a container's state and rules to its program, seen attached.

mod annotations;
mod log;
mod observed;
mod poststop;
mod recorded;
mod rootless;
pub mod stats;

pub use annotations::{Annotated, AnnotationError};
pub use log::{Guarded, Log, LogError, LogFormat, Record};
pub use poststop::{
    ReleaseError, Released, StageError, finish_recordings, keep_denials, release, stage,
    sweep_dead_pins,
};
pub use recorded::RecordError;
pub(crate) use recorded::Root;
pub use rootless::in_user_namespace;

use std::path::PathBuf;

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError, Process};
use crate::denials::{StandingError, cover_container};
use crate::enforce::{EnforceError, EnforceOptions, InForce, PrepareError, enforce_if, prepare};
use crate::errors::chain;
use crate::oci::{OciError, State};
use crate::policy::{DefaultDevices, Policy, Rule};
use crate::recording::{RecordingError, RecordingName};
use observed::Observation;

/// What to do in a user namespace, where the kernel loads no device programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rootless {
    /// Let the container start without a program of ours, and say so, as runc and crun do.
    #[default]
    Warn,
    /// Fail.
    Fail,
}

/// A hook's options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How the program is attached and held.
    pub enforce: EnforceOptions,
    /// What to do in a user namespace.
    pub rootless: Rootless,
}

/// A container's policy, and what it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRules {
    config: Vec<Rule>,
    default_devices: DefaultDevices,
    policy: Policy,
}

impl ContainerRules {
    /// The config's rules, and where the base rules go.
    pub fn new(config: Vec<Rule>, default_devices: DefaultDevices) -> ContainerRules {
        let policy = Policy::new(config.clone(), default_devices);
        ContainerRules { config, default_devices, policy }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// Why a container is not to start.
#[derive(Debug, Error)]
pub enum HookError {
    /// Its state is malformed.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// When the runtime calls is not known for sure.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// It asks for what it can't have.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// The log that it asks for can't be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What it asks for can't be recorded.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Its policy has no proven program.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Its cgroup can't be told.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The program is not attached.
    #[error(transparent)]
    Enforce(#[from] EnforceError),
}

/// What a hook's run came to.
#[derive(Debug)]
pub enum Enforced {
    /// The program was seen attached.
    Attached {
        /// The container's cgroup.
        cgroup: PathBuf,
        /// The program, what gave way to it, and what holds it.
        in_force: Box<InForce>,
        /// Its instructions.
        insns: usize,
        /// Why the container has no record, if it has none: then it can't be changed.
        unrecorded: Option<RecordError>,
        /// What is kept for the container and does not apply.
        kept_warnings: Vec<String>,
        /// What its requests are recorded as.
        recording: Option<RecordingName>,
        /// Why its requests are not observed, if they are to be.
        unobserved: Option<StandingError>,
    },
    /// In a user namespace: the container starts without a program of ours.
    Skipped {
        /// What the kernel would not do.
        cause: EnforceError,
    },
}

impl Enforced {
    /// What the operator should know, besides the programs that are left.
    pub fn warnings(&self) -> Vec<String> {
        let Enforced::Attached { in_force, unrecorded, kept_warnings, unobserved, .. } = self
        else {
            return Vec::new();
        };
        let mut warnings = in_force.warnings();
        warnings.extend(kept_warnings.iter().cloned());
        warnings.extend(unrecorded.iter().map(|error| {
            let why = chain(error);
            format!("the container has no record, so it can't be changed while it runs: {why}")
        }));
        warnings.extend(
            unobserved.iter().map(|error| {
                format!("what the container is denied is not counted: {}", chain(error))
            }),
        );
        warnings
    }
}

/// The hook: enforces the policy on the cgroup of the container's process, and writes its record.
/// From then on what it asks for is recorded, too, if a name is given for that.
///
/// # Errors
/// The container must not start; what was attached before is attached still, or the error tells
/// what differs.
pub fn run(
    state: &State,
    rules: ContainerRules,
    options: Options,
    recording: Option<RecordingName>,
) -> Result<Enforced, HookError> {
    run_in(state, rules, options, recording, Root::Ahead, |_| Ok(None))
}

/// The same for a container that runs. By now its process may be in a cgroup of its own below the
/// container's: `above` names that one, given the process's.
pub(crate) fn run_in(
    state: &State,
    rules: ContainerRules,
    options: Options,
    recording: Option<RecordingName>,
    root: Root,
    above: impl FnOnce(&Cgroup) -> Result<Option<Cgroup>, CgroupError>,
) -> Result<Enforced, HookError> {
    let pid = state.pid()?;
    let mut kept = recorded::kept(state);
    let ContainerRules { config, default_devices, policy } = rules;
    let prepared = prepare(policy.with_grants(kept.rules()))?;
    let process = Process::pin(pid).map_err(CgroupError::from)?;
    let of_process = Cgroup::of(&process)?;
    let above = above(&of_process)?;
    let cgroup = above.as_ref().unwrap_or(&of_process);
    let insns = prepared.verified.program().insns().len();
    let mut observed = Observation::new(recording);
    let check = || {
        // It can be moved while the program is attached.
        of_process.has(&process)?;
        // After the program, whose answers are recorded.
        observed.start(cgroup, &state.id)
    };
    match enforce_if(cgroup, Some(&state.id), &prepared.verified, options.enforce, check) {
        Ok(in_force) => {
            recorded::make_nodes(&mut kept, state, pid, root);
            let kept_warnings = std::mem::take(&mut kept.warnings);
            let started = recorded::Started { state, pid, config, default_devices, kept };
            let recorded = recorded::record(started, options.enforce, cgroup, &in_force);
            // After the policy: an observer sees the verdicts of the programs before it.
            let unobserved = cover_container(cgroup).err();
            let (cgroup, unrecorded) = (cgroup.path().to_owned(), recorded.err());
            let in_force = Box::new(in_force);
            let recording = observed.keep();
            Ok(Enforced::Attached {
                cgroup,
                in_force,
                insns,
                unrecorded,
                kept_warnings,
                recording,
                unobserved,
            })
        }
        Err(cause)
            if options.rootless == Rootless::Warn
                && rootless::explains(&cause)
                // If that can't be told, it is a failure.
                && in_user_namespace().is_ok_and(|inside| inside) =>
        {
            Ok(Enforced::Skipped { cause })
        }
        Err(error) => Err(cause_of(error)),
    }
}

/// A recording that can't begin is its own cause: it begins within the attaching.
fn cause_of(error: EnforceError) -> HookError {
    match error {
        EnforceError::Abandoned(cause) => match cause.downcast::<RecordingError>() {
            Ok(error) => HookError::Recording(*error),
            Err(cause) => HookError::Enforce(EnforceError::Abandoned(cause)),
        },
        error => error.into(),
    }
}
