//! The hook's log, which it writes as root.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{InstallError, Root};
use crate::files::{Exposure, Last};

/// Why the hook would not write a log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LogFlaw {
    /// Others than root could put another file, or a link, in its place.
    #[error(
        "{0}; only root may be able to change it and the directories that lead to it, as in \
         /var/lib/devgate"
    )]
    Exposed(Exposure),
    /// It is a directory, say, or a link.
    #[error("not a regular file")]
    NotAFile,
    /// The hook makes one directory, and not more.
    #[error("there is no directory {}", .0.display())]
    NoDirectory(PathBuf),
}

/// What is wrong with the log at that machine's `path`; the hook makes it, and its directory.
///
/// # Errors
/// A link on the way can't be followed.
pub fn log_flaw(root: &Root, path: &Path) -> Result<Option<LogFlaw>, InstallError> {
    let way = root.follow(path, Last::Keep)?;
    if way.end().is_some_and(|end| !end.is_file()) {
        return Ok(Some(LogFlaw::NotAFile));
    }
    if let Some(exposure) = way.exposure_to_planting(&[0]) {
        return Ok(Some(LogFlaw::Exposed(exposure)));
    }
    let dir = path.parent().filter(|_| way.missing_dirs() > 1);
    Ok(dir.map(|dir| LogFlaw::NoDirectory(dir.to_owned())))
}
