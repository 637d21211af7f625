//! `devgate record list`.

use std::io::Write;

use devgate::container::Time;
use devgate::errors::chain;
use devgate::recording::{Answer, Recorder, Recording};
use serde::Serialize;

use super::args::List;
use crate::cli::{Exit, complain, table};

#[derive(Serialize)]
struct Row {
    name: String,
    /// How many containers it is of.
    runs: u64,
    /// How many of them are recorded just now.
    ongoing: usize,
    devices: usize,
    requests: u64,
    denied: u64,
    lost: u64,
    last: Option<Time>,
}

pub fn run(recorder: &Recorder, args: &List, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let ongoing = recorder.ongoing()?;
    for ongoing in &ongoing {
        if let Err(error) = recorder.save(ongoing.cgroup.id) {
            complain(&format!("warning: {}", chain(&error)));
        }
    }
    let mut rows = Vec::new();
    let mut exit = Exit::Success;
    for (name, recording) in recorder.kept()?.list()? {
        let going_on = ongoing.iter().filter(|ongoing| ongoing.name == name).count();
        match recording {
            Ok(recording) => rows.push(row(&recording, going_on)),
            Err(error) => {
                complain(&chain(&error));
                exit = Exit::Failure;
            }
        }
    }
    if args.json {
        serde_json::to_writer(&mut *out, &rows)?;
        writeln!(out)?;
        return Ok(exit);
    }
    let header = ["NAME", "RUNS", "ONGOING", "DEVICES", "REQUESTS", "DENIED", "LOST", "LAST"];
    let rows = rows.into_iter().map(|row| {
        let last = row.last.map_or_else(|| "-".to_owned(), |last| last.to_string());
        let numbers = [row.devices as u64, row.requests, row.denied, row.lost];
        let [devices, requests, denied, lost] = numbers.map(|number| number.to_string());
        let (runs, ongoing) = (row.runs.to_string(), row.ongoing.to_string());
        [row.name, runs, ongoing, devices, requests, denied, lost, last]
    });
    table::write(out, header, rows)?;
    Ok(exit)
}

fn row(recording: &Recording, ongoing: usize) -> Row {
    let all = recording.asked();
    let count = |is_counted: &dyn Fn(Answer) -> bool| {
        let counted = all.iter().filter(|asked| is_counted(asked.answer));
        counted.fold(0_u64, |sum, asked| sum.saturating_add(asked.count))
    };
    let device = |asked: &devgate::recording::Asked| {
        let request = asked.request;
        (request.device_type, request.major, request.minor)
    };
    let mut devices: Vec<_> = all.iter().map(device).collect();
    devices.sort_unstable();
    devices.dedup();
    Row {
        name: recording.name.to_string(),
        runs: recording.run_count(),
        ongoing,
        devices: devices.len(),
        requests: count(&|_| true),
        denied: count(&|answer| answer != Answer::Allowed),
        lost: recording.lost(),
        last: all.iter().map(|asked| asked.last).max(),
    }
}
