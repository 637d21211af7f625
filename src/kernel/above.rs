//! The cgroups above a cgroup, as far as attaching a program has to do with them.

use std::error::Error;
use std::path::PathBuf;

use super::query::Attached;

/// Finds the nearest cgroup above that has programs, and these; `None` if none that is seen from
/// here has any. The way up is the caller's to know: a directory alone does not tell it.
pub type NearestAbove<'a> = &'a dyn Fn() -> Result<Option<(PathBuf, Attached)>, AboveError>;

/// Why the cgroups above can't be told.
pub type AboveError = Box<dyn Error + Send + Sync>;
