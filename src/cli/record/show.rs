//! `devgate record show`.

use std::io::{self, Write};

use devgate::observe::Method;
use devgate::oci::DeviceEntry;
use devgate::recording::{
    Answer, Asked, Commented, Denied, Learnt, Progress, Recorder, Recording, Run, boot, learn,
};

use super::args::{Show, ShowFormat};
use super::podman;
use crate::cli::{Exit, complain, describe, table};

pub fn run(recorder: &Recorder, args: &Show, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    for ongoing in recorder.ongoing()?.iter().filter(|ongoing| ongoing.name == args.name) {
        recorder.save(ongoing.cgroup.id)?;
    }
    let recording = recorder.get(&args.name)?;
    let all = recording.asked();
    let denied = if args.with_denied { Denied::Include } else { Denied::LeaveOut };
    let learnt = learn(&all, denied);
    match args.format {
        ShowFormat::Rules => rules(out, &learnt, args.no_comments)?,
        ShowFormat::Podman => podman::flags(out, &learnt)?,
        ShowFormat::Table => asked(out, &all)?,
        ShowFormat::Json => {
            serde_json::to_writer(&mut *out, &recording)?;
            writeln!(out)?;
        }
    }
    for note in notes(recorder, &recording)? {
        complain(&note);
    }
    let left_out = all.iter().filter(|asked| asked.answer != Answer::Allowed);
    let left_out: u64 = left_out.map(|asked| asked.count).fold(0, u64::saturating_add);
    let shows_rules = matches!(args.format, ShowFormat::Rules | ShowFormat::Podman);
    if left_out > 0 && shows_rules && !args.with_denied {
        let have = if left_out == 1 { "request has" } else { "requests have" };
        complain(&format!("{left_out} denied {have} no rule (--with-denied)"));
    }
    Ok(Exit::Success)
}

/// One rule a line, so that lines can be taken out.
fn rules(out: &mut Vec<u8>, learnt: &[Learnt], plain: bool) -> anyhow::Result<()> {
    let texts: Result<Vec<String>, _> = learnt
        .iter()
        .map(|learnt| match plain {
            true => serde_json::to_string(&DeviceEntry(learnt.rule)),
            false => serde_json::to_string(&Commented(learnt)),
        })
        .collect();
    let texts = texts?;
    match texts.is_empty() {
        true => writeln!(out, "[]")?,
        false => writeln!(out, "[\n  {}\n]", texts.join(",\n  "))?,
    }
    Ok(())
}

fn asked(out: &mut Vec<u8>, all: &[Asked]) -> io::Result<()> {
    let header = ["DEVICE", "ACCESS", "ANSWER", "COUNT", "NAME", "FIRST", "LAST", "COMMANDS"];
    let rows = all.iter().map(|asked| {
        let request = asked.request;
        [
            format!("{} {}:{}", request.device_type, request.major, request.minor),
            request.access.to_string(),
            answer(asked.answer).to_owned(),
            asked.count.to_string(),
            describe::escaped(asked.device.as_deref().unwrap_or("-")),
            asked.first.to_string(),
            asked.last.to_string(),
            describe::escaped(&asked.commands.join(", ")),
        ]
    });
    table::write(out, header, rows)
}

pub fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Allowed => "allowed",
        Answer::Denied => "DENIED",
        Answer::Unknown => "not known",
    }
}

/// What a reader must know beside the rules.
fn notes(recorder: &Recorder, recording: &Recording) -> anyhow::Result<Vec<String>> {
    let mut notes = Vec::new();
    let boot = boot()?;
    let ongoing = recorder.ongoing()?;
    let goes_on = |run: &&Run| run.progress == Progress::Ongoing;
    for run in recording.runs.iter().filter(goes_on) {
        let cgroup = run.cgroup.path.display();
        let is_there = ongoing.iter().any(|ongoing| ongoing.cgroup.id == run.cgroup.id);
        notes.push(match is_there && run.boot == boot {
            true => format!("the recording goes on in {cgroup}"),
            false => format!(
                "the machine went down while {cgroup} was recorded: what was asked after {} is not known",
                run.written
            ),
        });
    }
    if recording.lost() > 0 {
        let lost = recording.lost();
        let requests = if lost == 1 { "request" } else { "requests" };
        notes.push(format!("{lost} {requests} found no room, so rules may be missing (--rows)"));
    }
    if recording.runs.iter().any(|run| run.method == Method::Computed) {
        notes.push(
            "this kernel does not tell verdicts: they were computed from the containers' policies \
             when the requests were written"
                .to_owned(),
        );
    }
    Ok(notes)
}
