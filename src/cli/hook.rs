//! `devgate hook`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Instant;

use devgate::enforce::{EnforceOptions, prepare};
use devgate::hold::{HoldMode, PINS};
use devgate::hook::stats::Ended;
use devgate::hook::{
    Annotated, ContainerRules, Enforced, HookError, Log, Record, run as enforce, stage,
    sweep_dead_pins,
};
use devgate::kernel::{NAME_PREFIX, Stale};
use devgate::oci::{Config, Document, HookCall, HookInput, OciError, Stage, State, read_hook_call};
use devgate::policy::Few;
use devgate::recording::{RecordingError, RecordingName};
use devgate::unit::UnitMode;

use super::args::Hook;
use super::hook_options::HookOptions;
use super::{Exit, complain, config, counted, describe, poststop, warn};

pub fn run(hook: &Hook, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let call = stdin().and_then(read_hook_call).map_err(HookError::from);
    let container = call.as_ref().ok().map(|call| call.state.id.clone());
    let call = call.and_then(|call| Ok((stage(&call.state, hook.stage.map(Stage::from))?, call)));
    if let Ok((Stage::Poststop, call)) = &call {
        return poststop::run(hook, &call.state, start, out);
    }
    // First of all, so that a log which can't be used leaves everything as it was.
    let log = hook.options.log.as_ref().map(|path| Log::open(path, hook.options.log_format.into()));
    let log = match log.transpose() {
        Err(error) if !hook.dry_run => {
            let error = HookError::from(error);
            counted::count(stage_of(hook, &call), Ended::Failed((&error).into()), start.elapsed());
            return Err(error.into());
        }
        log => log?,
    };
    let stage = stage_of(hook, &call);
    let input = call.and_then(|(_, call)| Ok(call.with_config()?));
    let mut warnings = Few::default();
    let job = input.and_then(|input| Job::new(hook, input, &mut warnings));
    let warnings = warnings.lines();
    for warning in &warnings {
        complain(&format!("warning: {warning}"));
    }
    if hook.dry_run {
        return dry_run(hook, job?, out);
    }
    let mut logs = Vec::from_iter(log);
    let outcome = job.and_then(|job| {
        logs.extend(own_log(&job.annotated, &hook.options)?);
        enforce(&job.state, job.rules, hook.options.options(), job.recording)
    });
    let mut warnings = warnings;
    if let Some(warning) = outcome.as_ref().ok().and_then(|_| sweep_dead_pins()) {
        complain(&format!("warning: {warning}"));
        warnings.push(warning);
    }
    warnings.extend(counted::count(stage, counted::ended(&outcome), start.elapsed()));
    if !logs.is_empty() {
        let record = Record::new(container.as_deref(), &warnings, &outcome, start.elapsed());
        append(&mut logs, &record);
    }
    let enforced = outcome?;
    let warnings = enforced.warnings();
    match enforced {
        Enforced::Attached { in_force, .. } => warn(&in_force.outcome, &warnings),
        Enforced::Skipped { cause } => {
            let cause = anyhow::Error::new(cause);
            let warning = "warning: in a user namespace, so devices are not limited";
            complain(&format!("{warning}: {cause:#}"));
        }
    }
    Ok(Exit::Success)
}

/// The stage that is counted: of a call that can't be read, the one that the registration names.
fn stage_of(hook: &Hook, call: &Result<(Stage, HookCall), HookError>) -> Option<Stage> {
    match call {
        Ok((stage, _)) => Some(*stage),
        Err(_) => hook.stage.map(Stage::from),
    }
}

pub fn append(logs: &mut [Log], record: &Record) {
    for log in logs {
        // The program is attached, or the failure told: a full disk is no reason to go back.
        if let Err(error) = log.append(record) {
            complain(&format!("warning: {:#}", anyhow::Error::new(error)));
        }
    }
}

/// What the hook was called for.
struct Job {
    state: State,
    annotated: Annotated,
    rules: ContainerRules,
    recording: Option<RecordingName>,
}

impl Job {
    fn new(hook: &Hook, input: HookInput, warnings: &mut Few<String>) -> Result<Job, HookError> {
        let HookInput { state, config: Config { rules, unknown } } = input;
        let annotated = Annotated::new(&state.annotations)?;
        let registered = hook.options.default_devices.into();
        let default_devices = annotated.default_devices(registered);
        let rules = ContainerRules::new(rules, default_devices);
        warnings.append(annotated.warnings());
        warnings.append(config::warnings(unknown, rules.policy()));
        let recording = recording(hook, &annotated, &state)?;
        Ok(Job { state, annotated, rules, recording })
    }
}

/// The recording that its requests go to: the container's own wish goes before the registration's.
fn recording(
    hook: &Hook,
    annotated: &Annotated,
    state: &State,
) -> Result<Option<RecordingName>, HookError> {
    Ok(match (annotated.record(), &hook.options.record) {
        (Some(name), _) | (None, Some(Some(name))) => Some(name.clone()),
        (None, Some(None)) => Some(state.id.parse().map_err(RecordingError::Name)?),
        (None, None) => None,
    })
}

/// The log that the container asks for.
pub fn own_log(annotated: &Annotated, options: &HookOptions) -> Result<Option<Log>, HookError> {
    let dir = options.log_dir();
    let Some(name) = annotated.log(dir)? else { return Ok(None) };
    Ok(Some(Log::open_in(dir, name, options.log_format.into())?))
}

/// Without the buffer of [`io::stdin`]: it is read in one go.
fn stdin() -> Result<File, OciError> {
    let copy = io::stdin().as_fd().try_clone_to_owned();
    copy.map(File::from).map_err(|source| OciError::Read { document: Document::State, source })
}

fn dry_run(hook: &Hook, job: Job, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let prepared = prepare(job.rules.policy().clone())?;
    describe::policy(out, &prepared.policy)?;
    writeln!(out)?;
    describe::listing(out, prepared.verified.program())?;
    writeln!(out)?;
    plan(out, job.state.pid(), hook.options.options().enforce)?;
    if let Some(name) = job.recording {
        writeln!(out, "  record what the container asks for, as {name}")?;
    }
    Ok(Exit::Success)
}

fn plan(out: &mut Vec<u8>, pid: Result<i32, OciError>, options: EnforceOptions) -> io::Result<()> {
    let instead = match options.attach.stale {
        Stale::All => "in place of every other device program attached to it",
        Stale::Own => "in place of every other program of devgate's attached to it",
        Stale::None => "beside what is attached to it",
    };
    writeln!(out, "plan (dry run: nothing is looked up or changed):")?;
    match pid {
        Ok(pid) => writeln!(out, "  find the cgroup2 directory of process {pid}")?,
        Err(error) => writeln!(out, "  fail, for there is no process: {error}")?,
    }
    writeln!(out, "  refuse the root cgroup, the hook's own and those above that")?;
    writeln!(out, "  load the program, which is proven to be the policy, as {NAME_PREFIX:?}")?;
    writeln!(out, "  attach it {instead}")?;
    match options.hold {
        HoldMode::Try => writeln!(out, "  hold it by a link, pinned below {PINS}, if possible")?,
        HoldMode::Require => writeln!(out, "  hold it by a link, pinned below {PINS}")?,
        HoldMode::No => {}
    }
    let gate = "make it the only gate of the systemd unit that was made for the container";
    match options.unit {
        UnitMode::Try => writeln!(out, "  {gate}, if there is one and it is possible"),
        UnitMode::Require => writeln!(out, "  {gate}, if there is one"),
        UnitMode::No => Ok(()),
    }
}
