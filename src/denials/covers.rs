//! Which cgroups are to be observed: kept in `/run/devgate/observe.json`, for those who cover
//! cgroups that are new.
//!
//! The file is written before the observer is pinned, and removed after it was unpinned: where the
//! observer is, there is the file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StandingError;
use crate::container::Version;
use crate::files::{ReadError, read_regular};
use crate::run_dir::RunDir;

const FILE: &str = "observe.json";

/// No other file of /run/devgate begins like this.
const TEMPORARY: &str = ".observe-";

/// Most bytes of the file.
const LONGEST: u64 = 1 << 20;

const VERSION: u32 = 1;

/// Which cgroups are to be observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covers {
    /// Each below the root, and those that appear there.
    TopLevel,
    /// These directories.
    These(Vec<PathBuf>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: Version<VERSION>,
    covers: Covers,
}

impl Covers {
    /// What is written in /run/devgate. `None` if nothing is.
    pub(super) fn read(run: &RunDir) -> Result<Option<Covers>, StandingError> {
        let path = run.path().join(FILE);
        let bytes = match read_regular(&path, LONGEST) {
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            bytes => bytes.map_err(|source| StandingError::Read { path: path.clone(), source })?,
        };
        let written: Result<Written, _> = serde_json::from_slice(&bytes);
        match written {
            Ok(written) => Ok(Some(written.covers)),
            Err(error) => Err(StandingError::Damaged { path, problem: error.to_string() }),
        }
    }

    /// Writes it in one step.
    pub(super) fn write(self, run: &RunDir) -> Result<(), StandingError> {
        let path = run.path().join(FILE);
        let failed = |source| StandingError::Write { path: path.clone(), source };
        let written = Written { version: Version, covers: self };
        let bytes = serde_json::to_vec(&written).map_err(|error| failed(error.into()))?;
        let file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(run.path());
        let mut file = file.map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Removes the file, and what was left by those who ended while they wrote it.
    pub(super) fn remove(run: &RunDir) -> Result<(), StandingError> {
        let list = |source| StandingError::Remove { path: run.path().to_owned(), source };
        for name in run.names().map_err(list)? {
            if name == FILE || name.starts_with(TEMPORARY) {
                remove(&run.path().join(name))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), StandingError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StandingError::Remove { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
