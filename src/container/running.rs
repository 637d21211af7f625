//! The containers whose cgroups are there.

use std::path::Path;

use super::find::{FindError, directories};
use super::naming::{Named, Naming};
use crate::cgroup::Cgroup;

/// Every container with its cgroup at or below this directory. What is below a container's cgroup is
/// its own.
///
/// # Errors
/// A directory can't be listed.
pub fn running(dir: &Path, naming: &mut Naming) -> Result<Vec<Named>, FindError> {
    let mut found = Vec::new();
    search(dir, naming, &mut found)?;
    Ok(found)
}

fn search(dir: &Path, naming: &mut Naming, found: &mut Vec<Named>) -> Result<(), FindError> {
    let id = Cgroup::open(dir).and_then(|cgroup| cgroup.id());
    let place = id.ok().and_then(|id| naming.place(id).ok());
    match place.and_then(|place| place.container.clone()) {
        Some(container) => found.push(Named::clone(&container)),
        None => {
            for below in directories(dir)? {
                search(&below, naming, found)?;
            }
        }
    }
    Ok(())
}
