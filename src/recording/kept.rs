//! The recordings that are kept.

use super::error::RecordingError;
use super::name::RecordingName;
use super::ongoing::Ongoing;
use super::recorder::{DIR, Recorder};
use super::stored::Recording;
use crate::container::{Store, make_lib_dir};
use crate::run_dir::RunDir;

impl Recorder {
    /// Where recordings are kept, which is made if need be.
    ///
    /// # Errors
    /// It can't be made or used.
    pub fn kept(&self) -> Result<Store<Recording>, RecordingError> {
        make_lib_dir(&self.lib)?;
        Ok(Store::new(RunDir::at(&self.lib.join(DIR))?))
    }

    /// The recording with this name.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub fn get(&self, name: &RecordingName) -> Result<Recording, RecordingError> {
        let kept = self.kept()?;
        let unknown = || RecordingError::Unknown { name: name.clone(), path: kept.path(name) };
        kept.get(name)?.ok_or_else(unknown)
    }

    /// Removes the recording with this name, damaged or not.
    ///
    /// # Errors
    /// There is none, it goes on, or it can't be removed.
    pub fn remove(&self, name: &RecordingName) -> Result<(), RecordingError> {
        let is_its = |ongoing: &Ongoing| ongoing.name == *name;
        if let Some(ongoing) = self.ongoing()?.into_iter().find(is_its) {
            let cgroup = ongoing.cgroup.path;
            return Err(RecordingError::GoesOn { name: name.clone(), cgroup });
        }
        let kept = self.kept()?;
        let unknown = || RecordingError::Unknown { name: name.clone(), path: kept.path(name) };
        kept.remove(name)?.then_some(()).ok_or_else(unknown)
    }
}
