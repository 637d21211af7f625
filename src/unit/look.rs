//! What is in a unit's cgroups: programs, and processes that are not the container's.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::error::UnitError;
use crate::cgroup::Cgroup;
use crate::kernel::{ProgId, Program, query};

/// A program that decides besides devgate's: the kernel allows what all of them allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The cgroup that it is attached to.
    pub cgroup: PathBuf,
    /// The program.
    pub id: ProgId,
    /// Its name; `None` if it can't be told.
    pub name: Option<String>,
    /// Why it was not taken off, if that was tried.
    pub reason: Option<String>,
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("name unknown");
        write!(f, "program {} ({name}) on {} also decides", self.id, self.cgroup.display())?;
        self.reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

/// The programs of these cgroups that are not `ours`.
pub(super) fn others<'a>(
    cgroups: impl Iterator<Item = &'a Cgroup>,
    ours: &[ProgId],
) -> Result<Vec<Other>, UnitError> {
    let mut others = Vec::new();
    for cgroup in cgroups {
        for id in others_on(cgroup, ours)? {
            let name = Program::by_id(id).ok().map(|program| program.name);
            others.push(Other { cgroup: cgroup.path().to_owned(), id, name, reason: None });
        }
    }
    Ok(others)
}

/// The programs of this cgroup that are not `ours`.
pub(super) fn others_on(cgroup: &Cgroup, ours: &[ProgId]) -> Result<Vec<ProgId>, UnitError> {
    let attached = query(cgroup.as_fd());
    let path = || cgroup.path().to_owned();
    let mut ids = attached.map_err(|source| UnitError::Query { cgroup: path(), source })?.ids;
    ids.retain(|id| !ours.contains(id));
    // An id is listed twice if a link holds the program too.
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// A cgroup at or below `top` that has processes, and is not `leaf` or below it.
pub(super) fn populated_beside(top: &Path, leaf: &Path) -> Result<Option<PathBuf>, UnitError> {
    if top == leaf {
        return Ok(None);
    }
    let failed = |cgroup: &Path, source| UnitError::Processes { cgroup: cgroup.to_owned(), source };
    if has_own_process(top).map_err(|source| failed(top, source))? {
        return Ok(Some(top.to_owned()));
    }
    for entry in fs::read_dir(top).map_err(|source| failed(top, source))? {
        let entry = entry.map_err(|source| failed(top, source))?;
        let path = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if leaf.starts_with(&path) {
            if let Some(found) = populated_beside(&path, leaf)? {
                return Ok(Some(found));
            }
        } else if is_populated(&path).map_err(|source| failed(&path, source))? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn has_own_process(cgroup: &Path) -> io::Result<bool> {
    fs::read(cgroup.join("cgroup.procs")).map(|pids| !pids.is_empty())
}

/// Whether it or a cgroup below it has processes (cgroup-v2.rst, "cgroup.events"). A cgroup that
/// was removed meanwhile has none.
fn is_populated(cgroup: &Path) -> io::Result<bool> {
    match fs::read_to_string(cgroup.join("cgroup.events")) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {
            Ok(false)
        }
        events => Ok(events?.lines().any(|line| line == "populated 1")),
    }
}
