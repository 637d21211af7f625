//! An observer sees the verdict of the programs that run before it. Programs of one cgroup run in the
//! order in which they were attached, so it must be attached again after one that is new there: such
//! a cgroup is a container's own if the runtime puts that right below the root.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::Path;

use super::ObserveError;
use super::observer::Observes;
use super::pins::{link_path, pin_link};
use crate::cgroup::Cgroup;
use crate::kernel::{Loaded, OpenLink, ProgId, Program, QueryError, query};

/// Whether the program must be attached again: somebody detached it, or a program of the cgroup's own
/// may deny requests after it. Other observers may not.
pub(super) fn is_overtaken(cgroup: &Cgroup, own: ProgId) -> Result<bool, ObserveError> {
    let ids = match query(cgroup.as_fd()) {
        Ok(attached) => attached.ids,
        // It was removed.
        Err(QueryError::Gone) => return Ok(false),
        Err(source) => return Err(ObserveError::Order { cgroup: cgroup.path().into(), source }),
    };
    let Some(place) = ids.iter().rposition(|id| *id == own) else { return Ok(true) };
    let may_deny = |id: &ProgId| match Program::by_id(*id) {
        Ok(program) => !program.is_named_observer(),
        Err(error) => !error.is_gone(),
    };
    Ok(ids.iter().skip(place + 1).any(may_deny))
}

/// Links the program to the cgroup again. For a moment it is linked twice there, so that no request
/// is missed; one that is denied in a cgroup below in that moment counts twice. Who is killed leaves
/// the first link, or none.
pub(super) fn link_again(
    observed: &mut Observes,
    program: &Loaded,
    dir: Option<&Path>,
) -> Result<(), ObserveError> {
    let failed = |errno| ObserveError::Link { cgroup: observed.cgroup.path().into(), errno };
    let new = OpenLink::create(observed.cgroup.as_fd(), program).map_err(failed)?;
    if let Some(dir) = dir {
        let path = link_path(dir, observed.id);
        let pinned = OpenLink::pinned_at(&path);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(ObserveError::Remove { path, source });
            }
            _ => {}
        }
        if let Ok((old, _)) = pinned {
            // It would end a moment later all the same.
            let _ = old.detach();
        }
    }
    observed.link = Some(new);
    dir.map_or(Ok(()), |dir| pin_link(dir, observed))
}
