//! Recordings that go on: the guard writes them once a minute, so that little is lost when the
//! machine goes down, and at once when their container has ended.

use std::time::{Duration, Instant};

use super::actions::failed;
use super::rounds::Guard;
use super::trouble::Trouble;
use crate::errors::chain;
use crate::recording::{Finished, Recorder, RecordingError};

/// What is asked in between is not written if the machine goes down.
const PAUSE: Duration = Duration::from_secs(60);

/// When they were written, and what went wrong.
#[derive(Debug, Default)]
pub(super) struct Recordings {
    written: Option<Instant>,
    trouble: Trouble,
}

impl Guard {
    pub(super) fn write_recordings(&mut self) {
        let start = Instant::now();
        let Recordings { written, trouble } = &mut self.recordings;
        if trouble.waits(start) {
            return;
        }
        let is_due = written.is_none_or(|written| start.duration_since(written) >= PAUSE);
        let errors = write(is_due).unwrap_or_else(|error| vec![error]);
        if is_due {
            *written = Some(start);
        }
        if errors.is_empty() {
            return trouble.clear();
        }
        let messages: Vec<String> = errors.iter().map(|error| chain(error)).collect();
        let message = format!("recordings are not written: {}", messages.join("; "));
        if trouble.add(&message, start) {
            self.events.push(failed(None, None, message, start));
        }
    }
}

/// Writes those whose containers have ended, and if that is due the others.
fn write(is_due: bool) -> Result<Vec<RecordingError>, RecordingError> {
    let Some(recorder) = Recorder::existing()? else { return Ok(Vec::new()) };
    let Finished { mut failed, .. } = recorder.finish();
    if is_due {
        for ongoing in recorder.ongoing()? {
            failed.extend(recorder.save(ongoing.cgroup.id).err());
        }
    }
    Ok(failed)
}
