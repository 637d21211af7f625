//! `devgate hook` after a container has stopped. A runtime goes on whatever becomes of it.

use std::time::Instant;

use devgate::errors::chain;
use devgate::hook::{
    Annotated, Log, Record, Released, finish_recordings, keep_denials, release, sweep_dead_pins,
};
use devgate::oci::{Stage, State};

use super::args::Hook;
use super::hook_options::HookOptions;
use super::{Exit, complain, counted, hook};

pub fn run(hook: &Hook, state: &State, start: Instant, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    if hook.dry_run {
        out.extend(PLAN.bytes());
        return Ok(Exit::Success);
    }
    let mut warnings = Vec::new();
    let mut logs = logs(&hook.options, state, &mut warnings);
    let recorded = finish_recordings();
    warnings.extend(recorded.failed.iter().map(|error| format!("recordings: {}", chain(error))));
    warnings.extend(keep_denials());
    let released = release(state, hook.options.rootless.into());
    warnings.extend(sweep_dead_pins());
    for warning in &warnings {
        complain(&format!("warning: {warning}"));
    }
    let ended = counted::released(&released);
    warnings.extend(counted::count(Some(Stage::Poststop), ended, start.elapsed()));
    if !logs.is_empty() {
        let record = Record::of_poststop(
            &state.id,
            &warnings,
            &recorded.written,
            &released,
            start.elapsed(),
        );
        hook::append(&mut logs, &record);
    }
    if let Released::InUse { cgroup } = released? {
        let cgroup = cgroup.display();
        complain(&format!(
            "container {} is still in cgroup {cgroup}: nothing is removed",
            state.id
        ));
    }
    Ok(Exit::Success)
}

/// The registered log and the container's own. The container is gone, so that without a log, what
/// is kept for it goes all the same.
fn logs(options: &HookOptions, state: &State, warnings: &mut Vec<String>) -> Vec<Log> {
    let registered =
        options.log.as_ref().map(|path| Ok(Log::open(path, options.log_format.into())?));
    let own = || Ok(hook::own_log(&Annotated::new(&state.annotations)?, options)?);
    let own = own().transpose();
    let opened: Vec<anyhow::Result<Log>> = registered.into_iter().chain(own).collect();
    let mut failed = |error: anyhow::Error| warnings.push(format!("{error:#}"));
    opened.into_iter().filter_map(|log| log.map_err(&mut failed).ok()).collect()
}

/// What a dry run says.
const PLAN: &str = "\
plan (dry run: nothing is looked up or changed):
  write the recordings of containers that have ended
  find the container's record below /run/devgate/containers
  move what it was denied to a file below /run/devgate/denials, if that is observed
  leave everything if the record's cgroup is still there
  remove the pin of that cgroup's link and the record
";
