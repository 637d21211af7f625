//! The hook's own log: engines drop a hook's output, or lose it.

mod guarded;
mod open;

pub use guarded::Guarded;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use thiserror::Error;

use super::{Enforced, HookError, ReleaseError, Released};
use crate::errors::chain;
use crate::files::Exposure;
use crate::recording::RecordingName;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value`.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// The log can't be used.
#[derive(Debug, Error)]
pub enum LogError {
    /// It can't be opened.
    #[error("log {} can't be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than root could put another file in its place.
    #[error(
        "log {} is not safe to write: {exposure}; only root may be able to change it and the \
         directories that lead to it, as in /var/lib/devgate",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Who could.
        exposure: Exposure,
    },
    /// A line can't be appended.
    #[error("log {} can't be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An open log.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    format: LogFormat,
}

impl Log {
    /// Opens the log to append to it. It is made if need be (mode 0644 less the umask), and so is
    /// its directory (0755). It is a regular file, no link, and the directories that lead to it
    /// are root's or the caller's and nobody else's to write to.
    ///
    /// # Errors
    /// [`LogError::Open`] and [`LogError::Exposed`].
    pub fn open(path: &Path, format: LogFormat) -> Result<Log, LogError> {
        let file = open::shared(path)?;
        Ok(Log { file, path: path.to_owned(), format })
    }

    /// Opens the log `name` right in `dir`, whoever chose the name: a file with other names, too,
    /// or a link, is none. The directory (0700) and the log (0600) are made if need be, for their
    /// owner alone.
    ///
    /// # Errors
    /// [`LogError::Open`] and [`LogError::Exposed`].
    pub fn open_in(dir: &Path, name: &str, format: LogFormat) -> Result<Log, LogError> {
        let file = open::private(dir, name)?;
        Ok(Log { file, path: dir.join(name), format })
    }

    /// Appends the record as one line, in one write.
    ///
    /// # Errors
    /// [`LogError::Write`].
    pub fn append(&mut self, record: &Record) -> Result<(), LogError> {
        let line = record.line(self.format);
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| LogError::Write { path: self.path.clone(), source })
    }
}

/// One run of the hook, or one thing that the guard did.
#[derive(Debug, Serialize)]
pub struct Record {
    time: String,
    result: &'static str,
    container: Option<String>,
    cgroup: Option<String>,
    /// What the guard found. The hook looks for nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found: Vec<String>,
    program: Option<u32>,
    insns: Option<usize>,
    pin: Option<String>,
    /// The systemd unit of which the policy is the only gate.
    unit: Option<String>,
    /// Programs taken off the unit's cgroups above the container's own.
    unit_detached: Vec<u32>,
    detached: Vec<u32>,
    left: Vec<Left>,
    /// The recording that its requests go to, or went to.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<String>,
    warnings: Vec<String>,
    error: Option<String>,
    microseconds: u64,
}

#[derive(Debug, Serialize)]
struct Left {
    program: u32,
    reason: String,
}

impl Record {
    /// A record of now. `container` is its id, if the state got so far.
    pub fn new(
        container: Option<&str>,
        warnings: &[String],
        outcome: &Result<Enforced, HookError>,
        took: Duration,
    ) -> Record {
        let mut record = Record::failed(container, warnings, took);
        match outcome {
            Ok(enforced @ Enforced::Attached { cgroup, in_force, insns, recording, .. }) => {
                record.result = "attached";
                record.recording = recording.as_ref().map(ToString::to_string);
                record.cgroup = Some(cgroup.display().to_string());
                record.add(in_force, *insns);
                record.warnings.extend(enforced.warnings());
            }
            Ok(Enforced::Skipped { cause }) => {
                record.result = "skipped";
                record.error = Some(chain(cause));
            }
            Err(error) => record.error = Some(chain(error)),
        }
        record
    }

    /// A record of now, of a call after the container has stopped, at which these recordings were
    /// written.
    pub fn of_poststop(
        container: &str,
        warnings: &[String],
        recorded: &[RecordingName],
        outcome: &Result<Released, ReleaseError>,
        took: Duration,
    ) -> Record {
        let mut record = Record::failed(Some(container), warnings, took);
        let names: Vec<&str> = recorded.iter().map(RecordingName::as_str).collect();
        record.recording = Some(names.join(",")).filter(|names| !names.is_empty());
        match outcome {
            Ok(Released::All { pin }) => {
                record.result = "released";
                record.pin = pin.as_ref().map(|pin| pin.display().to_string());
            }
            Ok(Released::InUse { cgroup }) => {
                record.result = "kept";
                record.cgroup = Some(cgroup.display().to_string());
            }
            Ok(Released::Skipped { cause }) => {
                record.result = "skipped";
                record.error = Some(chain(cause));
            }
            Err(error) => record.error = Some(chain(error)),
        }
        record
    }

    pub(super) fn failed(container: Option<&str>, warnings: &[String], took: Duration) -> Record {
        Record {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            result: "failed",
            container: container.map(str::to_owned),
            cgroup: None,
            found: Vec::new(),
            program: None,
            insns: None,
            pin: None,
            unit: None,
            unit_detached: Vec::new(),
            detached: Vec::new(),
            left: Vec::new(),
            recording: None,
            warnings: warnings.to_vec(),
            error: None,
            microseconds: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// The record as one line, with the newline.
    pub fn line(&self, format: LogFormat) -> String {
        match format {
            LogFormat::Text => self.text(),
            LogFormat::Json => self.json(),
        }
    }

    fn json(&self) -> String {
        // A record has nothing that JSON can't say.
        serde_json::to_string(self).map(|line| line + "\n").unwrap_or_default()
    }

    fn text(&self) -> String {
        let mut line = format!("{} devgate {}", self.time, self.result);
        let mut field = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                // Writing to a String can't fail.
                let _ = write!(line, " {key}={}", quoted(&value));
            }
        };
        field("container", self.container.clone());
        field("cgroup", self.cgroup.clone());
        for found in &self.found {
            field("found", Some(found.clone()));
        }
        field("program", self.program.map(|id| id.to_string()));
        field("insns", self.insns.map(|count| count.to_string()));
        field("pin", self.pin.clone());
        field("unit", self.unit.clone());
        field("unit_detached", Some(ids(&self.unit_detached)).filter(|ids| ids != "-"));
        field("detached", self.program.map(|_| ids(&self.detached)));
        for Left { program, reason } in &self.left {
            field("left", Some(format!("{program} {reason}")));
        }
        field("recording", self.recording.clone());
        for warning in &self.warnings {
            field("warning", Some(warning.clone()));
        }
        field("error", self.error.clone());
        field("took", Some(format!("{}us", self.microseconds)));
        line.push('\n');
        line
    }
}

/// Ids with commas between; `-` for none.
fn ids(ids: &[u32]) -> String {
    let texts: Vec<String> = ids.iter().map(u32::to_string).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(",") }
}

/// As it is if it is one word; otherwise in quotes, with control characters escaped: ids and
/// paths come from outside.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=');
    match !value.is_empty() && value.chars().all(plain) {
        true => value.to_owned(),
        false => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::InForce;
    use crate::hold::{Hold, Holding};
    use crate::kernel::{LeftReason, Outcome, ProgId};
    use crate::unit::{Gate, Gating};

    fn attached() -> Record {
        let outcome = Outcome {
            id: ProgId::new(61),
            detached: vec![ProgId::new(41), ProgId::new(53)],
            left: vec![(ProgId::new(7), LeftReason::Link)],
            overridden: None,
            unlocked: None,
        };
        let cgroup = PathBuf::from("/sys/fs/cgroup/a b");
        let pin = PathBuf::from("/sys/fs/bpf/devgate/4711");
        let holding = Holding::Link(Hold { pin, before: None });
        let gate = Gate {
            unit: "libpod-c.scope".to_owned(),
            detached: vec![(PathBuf::from("/sys/fs/cgroup/libpod-c.scope"), ProgId::new(40))],
            failure: None,
            others: Vec::new(),
        };
        let gating = Gating::Unit(gate);
        let in_force = Box::new(InForce { outcome, holding, gating });
        let enforced = Ok(Enforced::Attached {
            cgroup,
            in_force,
            insns: 22,
            unrecorded: None,
            kept_warnings: Vec::new(),
            recording: None,
            unobserved: None,
        });
        Record::new(Some("c\n1"), &[], &enforced, Duration::from_micros(1234))
    }

    #[test]
    fn text_is_one_line_whatever_the_names() {
        let text = attached().text();
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(
            rest,
            "devgate attached container=\"c\\n1\" cgroup=\"/sys/fs/cgroup/a b\" program=61 \
             insns=22 pin=/sys/fs/bpf/devgate/4711 unit=libpod-c.scope unit_detached=40 \
             detached=41,53 left=\"7 is held by a bpf_link\" took=1234us\n"
        );
    }

    #[test]
    fn json_is_one_object_a_line() {
        let json = attached().json();
        assert_eq!(json.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["container"], "c\n1");
        assert_eq!(value["detached"], serde_json::json!([41, 53]));
        assert_eq!(value["left"][0]["program"], 7);
        assert_eq!(value["microseconds"], 1234);
    }
}
