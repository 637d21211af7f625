//! `devgate record`.

pub mod args;
mod diff;
mod list;
mod podman;
mod show;

use std::io::Write;

use anyhow::bail;
use args::{Record, RecordCommand, Start, Stop};
use devgate::cgroup::Cgroup;
use devgate::change::beginning;
use devgate::container::{CRUN_LEAF, ContainerId, RecordStore, container_id};
use devgate::errors::chain;
use devgate::recording::{Recorder, RecordingName, Subject};
use nix::unistd::geteuid;

use super::target::open_any;
use super::{Exit, complain};

pub fn run(args: &Record, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    if !geteuid().is_root() {
        bail!("recordings are root's: only root can record containers and read what was recorded");
    }
    let recorder = Recorder::open()?;
    // What ended while nobody looked.
    for error in recorder.finish().failed {
        complain(&format!("warning: {}", chain(&error)));
    }
    match &args.command {
        RecordCommand::Start(args) => start(&recorder, args, out),
        RecordCommand::Stop(args) => stop(&recorder, args, out),
        RecordCommand::List(args) => list::run(&recorder, args, out),
        RecordCommand::Show(args) => show::run(&recorder, args, out),
        RecordCommand::Diff(args) => diff::run(&recorder, args, out),
        RecordCommand::Remove(args) => {
            for name in &args.names {
                recorder.remove(name)?;
                writeln!(out, "removed recording {name}")?;
            }
            Ok(Exit::Success)
        }
    }
}

fn start(recorder: &Recorder, args: &Start, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let (cgroup, container) = named(&args.container)?;
    let name = match (&args.name, &container) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => own_name(id)?,
        (None, None) => {
            bail!("no container's id is known for this cgroup: name the recording (--name)")
        }
    };
    cgroup.guard()?;
    let subject = Subject { cgroup: &cgroup, container, name: name.clone(), rows: args.rows };
    recorder.start(subject)?;
    writeln!(out, "recording {} as {name}", cgroup.path().display())?;
    Ok(Exit::Success)
}

fn own_name(id: &ContainerId) -> anyhow::Result<RecordingName> {
    id.as_str().parse().map_err(|error| anyhow::Error::new(error).context("name it (--name)"))
}

fn stop(recorder: &Recorder, args: &Stop, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let (cgroup, _) = named(&args.container)?;
    let name = recorder.stop(&cgroup)?;
    writeln!(out, "stopped; devgate record show {name}")?;
    Ok(Exit::Success)
}

/// The cgroup that is named, which is that of a container with a record if it is below one, and the
/// container's id.
fn named(name: &str) -> anyhow::Result<(Cgroup, Option<ContainerId>)> {
    let records = RecordStore::existing()?;
    if let Some(records) = &records {
        let of_id = |id: ContainerId| {
            let record = records.get(&id)?;
            let cgroup = record.map(|record| Cgroup::of_id(record.cgroup.id)).transpose()?;
            anyhow::Ok(cgroup.flatten().map(|cgroup| (cgroup, Some(id))))
        };
        let id = beginning(records.ids()?, name, |_| false).ok().flatten();
        if let Some(found) = id.and_then(|id| of_id(id).transpose()) {
            return found;
        }
    }
    let cgroup = open_any(name)?;
    let with_record = |cgroup: &Cgroup| match &records {
        Some(records) => anyhow::Ok(records.of_cgroup(cgroup.id()?)?),
        None => Ok(None),
    };
    if let Some(id) = with_record(&cgroup)? {
        return Ok((cgroup, Some(id)));
    }
    for above in cgroup.above() {
        let above = above?;
        if let Some(id) = with_record(&above)? {
            return Ok((above, Some(id)));
        }
    }
    let id = container_id(cgroup.path());
    let own = cgroup.path().file_name().filter(|name| *name != CRUN_LEAF);
    let id = id.or(own.and_then(|name| name.to_str())).and_then(|id| id.parse().ok());
    Ok((cgroup, id))
}
