//! What containers that ended were denied: one file each, `/run/devgate/denials/CGROUP-ID.json`.
//!
//! The rows of a container are written here before they are removed from the observer's map, and a
//! file is replaced in one step. So a kill at any moment leaves each row in the map, in the file or
//! in both, and the next one who does the same work finds them and merges them. No lock is needed
//! for that: what is written always holds all that was in the file before.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

use super::denied::Denied;
use crate::files::{ReadError, read_regular};
use crate::run_dir::{RUN_DIR, RunDir, RunDirError};

/// Where they are in /run/devgate.
const DIR: &str = "denials";
const SUFFIX: &str = ".json";
/// No cgroup id starts with a dot.
const TEMPORARY: &str = ".new-";

/// Most containers that are kept: the latest that ended.
pub const MOST_ENDED: usize = 1000;

/// Most bytes of their files together. A container with 256 rows takes some 60 KiB.
pub const MOST_BYTES: u64 = 16 << 20;

/// Most bytes of one file.
const LONGEST: u64 = 64 << 20;

/// Why what ended containers were denied can't be read or written.
#[derive(Debug, Error)]
pub enum EndedError {
    /// The directory can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The directory can't be listed.
    #[error("{} can't be listed", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// A file is not what devgate writes, or a newer devgate wrote it.
    #[error("{} is damaged: {problem}; remove the file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file can't be written.
    #[error("{} can't be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file can't be removed.
    #[error("{} can't be removed", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The files of ended containers.
#[derive(Debug)]
pub struct EndedStore {
    dir: RunDir,
}

impl EndedStore {
    /// Those in /run/devgate; the directory is made if there is none.
    ///
    /// # Errors
    /// [`EndedError::RunDir`].
    pub fn open() -> Result<EndedStore, EndedError> {
        EndedStore::of(&RunDir::open()?)
    }

    /// Those in the directory `denials` of `run`, which is made if there is none.
    ///
    /// # Errors
    /// [`EndedError::RunDir`].
    pub fn of(run: &RunDir) -> Result<EndedStore, EndedError> {
        Ok(EndedStore { dir: run.below(DIR)? })
    }

    /// Those in /run/devgate, if there may be any; nothing is made.
    ///
    /// # Errors
    /// [`EndedError::RunDir`].
    pub fn existing() -> Result<Option<EndedStore>, EndedError> {
        let dir = RunDir::existing(&Path::new(RUN_DIR).join(DIR))?;
        Ok(dir.map(|dir| EndedStore { dir }))
    }

    /// Writes what a container was denied, with what is written of it already. Then removes the
    /// files of the containers that ended first, as many as there are too many.
    ///
    /// # Errors
    /// Nothing was written, or there are too many files now.
    pub fn add(&self, mut denied: Denied) -> Result<(), EndedError> {
        match self.get(denied.cgroup_id) {
            Ok(Some(known)) => denied = known.with(denied),
            Ok(None) => {}
            // Nothing could be made of it any more.
            Err(EndedError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        self.write(&denied)?;
        self.trim()
    }

    /// What is written of every container, in the order in which they ended, and which files can't
    /// be read.
    ///
    /// # Errors
    /// The directory can't be listed.
    pub fn all(&self) -> Result<(Vec<Denied>, Vec<EndedError>), EndedError> {
        let (mut all, mut failed) = (Vec::new(), Vec::new());
        for id in self.ids()? {
            match self.get(id) {
                Ok(found) => all.extend(found),
                Err(error) => failed.push(error),
            }
        }
        all.sort_by_key(|denied: &Denied| (denied.ended, denied.cgroup_id));
        Ok((all, failed))
    }

    /// How many containers there is a file of.
    ///
    /// # Errors
    /// The directory can't be listed.
    pub fn count(&self) -> Result<usize, EndedError> {
        Ok(self.ids()?.len())
    }

    /// Removes all files, damaged or not.
    ///
    /// # Errors
    /// One can't be removed.
    pub fn clear(&self) -> Result<(), EndedError> {
        for name in self.names()? {
            if id_of(&name).is_some() || name.starts_with(TEMPORARY) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    fn get(&self, cgroup_id: u64) -> Result<Option<Denied>, EndedError> {
        let path = self.path(cgroup_id);
        let bytes = match read_regular(&path, LONGEST) {
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            bytes => bytes.map_err(|source| EndedError::Read { path: path.clone(), source })?,
        };
        match serde_json::from_slice::<Denied>(&bytes) {
            Ok(found) if found.cgroup_id == cgroup_id => Ok(Some(found)),
            Ok(found) => {
                let problem = format!("cgroup_id: it is of cgroup {}", found.cgroup_id);
                Err(EndedError::Damaged { path, problem })
            }
            Err(error) => Err(EndedError::Damaged { path, problem: error.to_string() }),
        }
    }

    fn write(&self, denied: &Denied) -> Result<(), EndedError> {
        let path = self.path(denied.cgroup_id);
        let failed = |source| EndedError::Write { path: path.clone(), source };
        let bytes = serde_json::to_vec(denied).map_err(|error| failed(error.into()))?;
        // A temporary file has mode 0600.
        let file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(self.dir.path());
        let mut file = file.map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// What a file's time says is enough here: it is when the container's rows were moved.
    fn trim(&self) -> Result<(), EndedError> {
        let mut files: Vec<(SystemTime, String, u64)> = Vec::new();
        for name in self.names()? {
            // One that is removed meanwhile needs no more removing.
            let Ok(found) = fs::symlink_metadata(self.dir.path().join(&name)) else { continue };
            let time = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((time, name, found.len()));
        }
        files.sort_unstable();
        let (mut count, mut bytes) = (0, 0);
        for (place, (_, name, length)) in files.iter().rev().enumerate() {
            count += 1;
            bytes += length;
            let is_latest = place == 0;
            if !is_latest && (count > MOST_ENDED || bytes > MOST_BYTES) {
                self.remove(name)?;
            }
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), EndedError> {
        let path = self.dir.path().join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(EndedError::Remove { path, source })
            }
            _ => Ok(()),
        }
    }

    fn ids(&self) -> Result<Vec<u64>, EndedError> {
        Ok(self.names()?.iter().filter_map(|name| id_of(name)).collect())
    }

    fn names(&self) -> Result<Vec<String>, EndedError> {
        let path = || self.dir.path().to_owned();
        self.dir.names().map_err(|source| EndedError::List { path: path(), source })
    }

    fn path(&self, cgroup_id: u64) -> PathBuf {
        self.dir.path().join(format!("{cgroup_id}{SUFFIX}"))
    }
}

/// The cgroup whose file has this name; `None` if it is another file.
fn id_of(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

#[cfg(test)]
mod tests;
