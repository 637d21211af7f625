//! Containers with and without a program of devgate's, and what is left over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError};
use crate::container::{CRUN_LEAF, FindError, container_id, directories};
use crate::gc;
use crate::inspect::{Generator, Links, ListError, Listed, list};
use crate::kernel::OBSERVER_NAME;

/// Why containers can't be counted.
#[derive(Debug, Error)]
pub enum ContainersError {
    /// cgroup2 can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A directory can't be listed.
    #[error(transparent)]
    Find(#[from] FindError),
    /// bpf_links can't be listed.
    #[error("listing bpf_links")]
    Links(#[source] nix::Error),
    /// Programs can't be listed.
    #[error(transparent)]
    List(#[from] ListError),
}

/// What runs for containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Containers {
    /// Containers with a program of devgate's.
    pub devgate: u64,
    /// Containers with programs of others alone.
    pub other: u64,
    /// Containers without any program of their own.
    pub none: u64,
    /// Programs beside another one on the cgroup of a container: leftovers, and what the runtime or
    /// systemd put there. They can only restrict further.
    pub stale_programs: u64,
    /// Pins of links whose cgroup is gone.
    pub dead_pins: u64,
    /// Records of containers that are gone.
    pub dead_records: u64,
}

impl Containers {
    /// Counts what there is now.
    ///
    /// # Errors
    /// It can't be listed.
    pub fn count() -> Result<Containers, ContainersError> {
        let top = Cgroup::top()?;
        let links = Links::read().map_err(ContainersError::Links)?;
        let listed = list(top.path(), &links)?;
        let mut found = Vec::new();
        search(top.path(), &mut found)?;
        let mut containers = count(&found, &listed);
        containers.dead_pins = gc::pins(gc::Mode::DryRun).dead.len() as u64;
        containers.dead_records = gc::records(gc::Mode::DryRun).dead.len() as u64;
        Ok(containers)
    }
}

/// The outermost cgroups whose names hold a container's id. What is below one may have any name.
fn search(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), FindError> {
    for below in directories(dir)? {
        match container_id(&below) {
            Some(_) => found.push(below),
            None => search(&below, found)?,
        }
    }
    Ok(())
}

fn count(found: &[PathBuf], listed: &[Listed]) -> Containers {
    let by_path: HashMap<&Path, &Listed> =
        listed.iter().map(|listed| (listed.cgroup.as_path(), listed)).collect();
    let mut containers = Containers::default();
    for container in found {
        // With systemd as cgroup manager, crun puts the processes into one below.
        let own = [container.clone(), container.join(CRUN_LEAF)];
        let own = own.iter().filter_map(|dir| by_path.get(dir.as_path()));
        let (mut all, mut ours) = (0, 0);
        for listed in own {
            // An observer allows everything.
            let names = listed.programs.iter().map(|program| program.name.as_str());
            let names: Vec<&str> = names.filter(|name| *name != OBSERVER_NAME).collect();
            let is_ours = |name: &&&str| Generator::of(name, None) == Some(Generator::Devgate);
            ours += names.iter().filter(is_ours).count();
            all += names.len();
            containers.stale_programs += names.len().saturating_sub(1) as u64;
        }
        match (all, ours) {
            (0, _) => containers.none += 1,
            (_, 0) => containers.other += 1,
            _ => containers.devgate += 1,
        }
    }
    containers
}
