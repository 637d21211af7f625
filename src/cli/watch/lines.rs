//! One line for each entry that is new or goes on, to standard output.

use std::time::Instant;

use devgate::watch::{Entry, Happened, Watcher};

use super::output::{Output, Woken};
use super::pace::Pace;
use super::rhythm::Rhythm;
use super::{Exit, GLANCE, complain, method, warn};
use crate::cli::ended::Ended;

/// How lines are written.
pub trait Format {
    /// The first line.
    fn header(&self) -> Option<String>;
    /// An entry's, with its line end.
    fn entry(&mut self, entry: &Entry) -> String;
}

pub fn run(mut watcher: Watcher, mut format: impl Format) -> anyhow::Result<Exit> {
    let ended = Ended::new()?;
    let mut output = Output::new();
    let mut pace = Pace::default();
    let observed = match watcher.observed_cgroups() {
        1 => "1 cgroup and all below it".to_owned(),
        number => format!("{number} cgroups and all below them"),
    };
    complain(&format!("watches {observed}; {}", method(watcher.method())));
    if let Some(header) = format.header() {
        output.print(&header);
    }
    let mut rhythm = Rhythm::new();
    loop {
        let happened = rhythm.happened(&mut watcher)?;
        warn(&watcher.notices());
        print(&happened, &watcher, &mut pace, &mut output, &mut format);
        if output.wait(GLANCE, &ended)? == Woken::End {
            break;
        }
    }
    let mut happened = Vec::new();
    watcher.read(&mut happened)?;
    print(&happened, &watcher, &mut pace, &mut output, &mut format);
    for key in pace.rest() {
        output.print(&watcher.entry(&key).map(|entry| format.entry(entry)).unwrap_or_default());
    }
    output.finish()?;
    Ok(Exit::Success)
}

fn print(
    happened: &[Happened],
    watcher: &Watcher,
    pace: &mut Pace,
    output: &mut Output,
    format: &mut impl Format,
) {
    let now = Instant::now();
    if !output.has_room() {
        happened.iter().for_each(|happened| pace.hold(happened.key));
        return;
    }
    for happened in happened {
        if pace.at_once(happened, now)
            && let Some(entry) = watcher.entry(&happened.key)
        {
            output.print(&format.entry(&happened.of(entry)));
        }
    }
    for key in pace.due(now) {
        if let Some(entry) = watcher.entry(&key) {
            output.print(&format.entry(entry));
        }
    }
}
