//! Which of the cgroups that were seen are still there.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;

use crate::container::Place;

/// Cgroups by their ids, with their directories. One that was gone when it was first seen has none.
#[derive(Debug, Default)]
pub(super) struct Living(HashMap<u64, Option<PathBuf>>);

impl Living {
    pub fn knows(&self, id: u64) -> bool {
        self.0.contains_key(&id)
    }

    pub fn add(&mut self, id: u64, place: Option<&Rc<Place>>) {
        self.0.insert(id, place.map(|place| place.cgroup.clone()));
    }

    pub fn remove(&mut self, id: u64) {
        self.0.remove(&id);
    }

    /// Those that were removed. A cgroup can't be renamed, and another at the same path has another
    /// id.
    pub fn gone(&self) -> Vec<u64> {
        let is_gone = |id: u64, path: &Option<PathBuf>| match path {
            None => true,
            Some(path) => !fs::metadata(path).is_ok_and(|found| found.ino() == id),
        };
        self.0.iter().filter(|(id, path)| is_gone(**id, path)).map(|(id, _)| *id).collect()
    }
}
