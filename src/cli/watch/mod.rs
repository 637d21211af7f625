//! `devgate watch`.

mod clock;
mod devices;
mod json;
mod keys;
mod lines;
mod output;
mod pace;
mod rhythm;
mod rows;
mod shown;
mod table;
mod text;

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use devgate::errors::chain;
use devgate::observe::{Method, Size};
use devgate::watch::{Notice, Watcher, Which, find};

use super::{Exit, complain, describe, who_lacks_rights};

pub const HELP: &str = "Keys of the table: q ends; t, c, d, o, p, n sort by time, container, device, command, pid, count\n\
(again: the other way round); up and down select a line, whose details are shown below.\n\n\
While watch runs, an observer is attached to every cgroup right below the root: a program that\n\
allows everything and counts. When watch ends, nothing stays attached.\n\n\
Examples:\n\
\x20 devgate watch\n\
\x20 devgate watch 630b76a2f65f --all\n\
\x20 devgate watch --json | jq -r '.container + \" \" + .device'";

const NEEDS: &str = "watch needs root, or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN";

/// How often events are taken, keys are looked for, and new cgroups are covered.
const GLANCE: Duration = Duration::from_millis(20);
/// How often all that was counted is read.
const READ: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub struct Watch {
    /// Only these: a container's name, the beginning of its id, or a cgroup2 directory
    #[arg(value_name = "CONTAINER|CGROUP")]
    pub what: Vec<String>,
    /// Also requests that are allowed
    #[arg(long)]
    pub all: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Different requests of one container that are counted
    #[arg(long, value_name = "N", default_value_t = Size::default().per_container,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// Containers whose requests are counted
    #[arg(long, value_name = "N", default_value_t = Size::default().containers,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub containers: u32,
}

pub fn run(watch: &Watch) -> anyhow::Result<Exit> {
    let watcher = watcher(watch).map_err(who_lacks_rights(NEEDS))?;
    match (watch.json, io::stdout().is_terminal()) {
        (true, _) => lines::run(watcher, json::Json::default()),
        (false, false) => lines::run(watcher, text::Text::new(which(watch))),
        (false, true) => table::run(watcher, which(watch)),
    }
}

fn watcher(watch: &Watch) -> anyhow::Result<Watcher> {
    let filter = find(&watch.what)?;
    let size = Size { per_container: watch.rows, containers: watch.containers };
    Ok(Watcher::new(filter, which(watch), size)?)
}

const fn which(watch: &Watch) -> Which {
    if watch.all { Which::All } else { Which::Denied }
}

/// How verdicts are come by, in few words.
const fn method(method: Method) -> &'static str {
    match method {
        Method::Told => "the kernel tells the verdicts",
        Method::Computed => {
            "verdicts are computed from the programs attached: the kernel does not tell them \
             (Linux before 6.1)"
        }
    }
}

/// A notice on one line.
fn notice(notice: &Notice) -> String {
    match notice {
        Notice::NotObserved(error) => chain(error),
        Notice::Lost { place, requests } => {
            let whose = match place {
                Some(place) => shown::container(&Ok(place.clone())),
                None => "cgroups without a room (see --containers)".to_owned(),
            };
            format!("{requests} requests were not counted, of {whose}: no room (see --rows)")
        }
    }
}

/// Says notices on standard error, each on one line.
fn warn(notices: &[Notice]) {
    notices.iter().for_each(|found| complain(&format!("warning: {}", notice(found))));
}
