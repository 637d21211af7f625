//! The recording of a container that starts.

use crate::cgroup::Cgroup;
use crate::container::ContainerId;
use crate::enforce::EnforceError;
use crate::recording::{ROWS, Recorder, RecordingError, RecordingName, Subject};

/// A recording that is taken back unless it is kept.
#[derive(Debug)]
pub(super) struct Observation<'c> {
    name: Option<RecordingName>,
    started: Option<(Recorder, &'c Cgroup)>,
}

impl<'c> Observation<'c> {
    /// That of this name, or none.
    pub fn new(name: Option<RecordingName>) -> Observation<'c> {
        Observation { name, started: None }
    }

    /// Begins to record.
    pub fn start(&mut self, cgroup: &'c Cgroup, id: &str) -> Result<(), EnforceError> {
        let Some(name) = self.name.clone() else { return Ok(()) };
        let start = || -> Result<Recorder, RecordingError> {
            let recorder = Recorder::open()?;
            // Without an id that can be a file's name it has no record either.
            let container: Option<ContainerId> = id.parse().ok();
            recorder.start(Subject { cgroup, container, name, rows: ROWS })?;
            Ok(recorder)
        };
        let recorder = start().map_err(|error| EnforceError::Abandoned(Box::new(error)))?;
        self.started = Some((recorder, cgroup));
        Ok(())
    }

    /// It goes on. Returns its name.
    pub fn keep(mut self) -> Option<RecordingName> {
        self.started.take().and_then(|_| self.name.take())
    }
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        if let Some((recorder, cgroup)) = &self.started {
            // What stays goes when the container has ended.
            let _ = recorder.abandon(cgroup);
        }
    }
}
