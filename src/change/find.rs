//! The container that an operator names.

use std::path::Path;

use super::error::ChangeError;
use super::stores::Stores;
use crate::cgroup::Cgroup;
use crate::container::{
    ContainerId, IdError, Record, cgroup_exists, cgroup_of_unit, container_dirs, container_id,
    find_container,
};

/// The id of the container that has a record, named by its id, the beginning of that, a process,
/// or a cgroup2 directory. With the whole id nothing else is looked at.
///
/// # Errors
/// There is none, there are several, or it has no record.
pub fn find(stores: &Stores, name: &str) -> Result<ContainerId, ChangeError> {
    // As `inspect` takes a bare argument.
    if let Ok(pid) = name.parse()
        && name.len() < 10
    {
        return of_cgroup(stores, &Cgroup::of_process(pid)?);
    }
    if name.contains('/') {
        return of_cgroup(stores, &Cgroup::open(Path::new(name))?);
    }
    if let Ok(id) = name.parse()
        && stores.records.path(&id).exists()
    {
        return Ok(id);
    }
    match beginning(stores.records.ids()?, name, |id| is_live(stores, id))? {
        Some(id) => only(stores, id, name),
        None => of_cgroup(stores, &find_container(Cgroup::top()?.path(), name)?),
    }
}

/// The container with this record, if no other container's id begins like this. One without a
/// record has a cgroup.
fn only(stores: &Stores, id: ContainerId, name: &str) -> Result<ContainerId, ChangeError> {
    let record = stores.records.get(&id)?;
    let is_own = |dir: &Path| {
        container_id(dir) == Some(id.as_str())
            || record.as_ref().is_some_and(|record| record.cgroup.path.starts_with(dir))
    };
    let mut dirs = container_dirs(Cgroup::top()?.path(), name)?;
    dirs.retain(|dir| !is_own(dir));
    if dirs.is_empty() {
        return Ok(id);
    }
    let text = |dir: &Path| container_id(dir).map_or(dir.display().to_string(), ToOwned::to_owned);
    let others = dirs.iter().map(|dir| text(dir));
    let ids = [id.to_string()].into_iter().chain(others).collect();
    Err(ChangeError::Ambiguous { beginning: name.to_owned(), ids })
}

/// The one of these ids that is this or begins like this; of several, the one that is preferred.
///
/// # Errors
/// [`ChangeError::Ambiguous`], or the name is empty.
pub fn beginning(
    ids: Vec<ContainerId>,
    name: &str,
    is_preferred: impl Fn(&ContainerId) -> bool,
) -> Result<Option<ContainerId>, ChangeError> {
    if name.is_empty() {
        return Err(IdError::Empty.into());
    }
    let mut ids = ids;
    ids.retain(|id| id.as_str().starts_with(name));
    if let Some(exact) = ids.iter().position(|id| id.as_str() == name) {
        return Ok(Some(ids.swap_remove(exact)));
    }
    if ids.len() > 1 {
        ids.retain(is_preferred);
    }
    match ids.len() {
        0 | 1 => Ok(ids.pop()),
        _ => Err(ChangeError::Ambiguous {
            beginning: name.to_owned(),
            ids: ids.iter().map(ToString::to_string).collect(),
        }),
    }
}

fn is_live(stores: &Stores, id: &ContainerId) -> bool {
    // What can't be read may be about a container that runs.
    stores
        .records
        .get(id)
        .map_or(true, |record| record.is_some_and(|record| cgroup_exists(record.cgroup.id)))
}

/// The container that this cgroup is, is inside of, or is the unit of.
fn of_cgroup(stores: &Stores, cgroup: &Cgroup) -> Result<ContainerId, ChangeError> {
    let mut unread = None;
    let mut records: Vec<Record> = Vec::new();
    for (_, record) in stores.records.list()? {
        match record {
            Ok(record) => records.push(record),
            Err(error) => unread = Some(error),
        }
    }
    let with = |cgroup: &Cgroup| {
        let id = cgroup.id()?;
        let record = records.iter().find(|record| record.cgroup.id == id);
        Ok::<_, ChangeError>(record.map(|record| record.id.clone()))
    };
    if let Some(inside) = cgroup_of_unit(cgroup)
        && let Some(found) = with(&inside)?
    {
        return Ok(found);
    }
    if let Some(found) = with(cgroup)? {
        return Ok(found);
    }
    for above in cgroup.above() {
        if let Some(found) = with(&above?)? {
            return Ok(found);
        }
    }
    // The one that can't be read may be the one.
    Err(match unread {
        Some(error) => error.into(),
        None => ChangeError::NoRecord { cgroup: cgroup.path().to_owned() },
    })
}
