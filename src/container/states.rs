//! The containers that runtimes keep states of, by their cgroups and ids.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::changed::Listed;
use super::runtimes::{Inode, State, containers, directories, state};

/// A container, and where its config.json is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bundled {
    pub id: String,
    pub bundle: PathBuf,
}

/// The states of runtimes. Each is read once, and a root is listed again only if it changed.
#[derive(Debug, Default)]
pub(super) struct StateIndex {
    roots: HashMap<PathBuf, Listed>,
    /// Containers' directories, and what their states say. `None`: there is no state yet, or it can't
    /// be used.
    known: HashMap<PathBuf, (Inode, Option<Known>)>,
    /// By paths in the hierarchy.
    cgroups: HashMap<PathBuf, PathBuf>,
}

#[derive(Debug)]
struct Known {
    container: Bundled,
    cgroups: Vec<PathBuf>,
}

impl StateIndex {
    /// The container with this cgroup, by its path in the hierarchy.
    pub fn of_cgroup(&mut self, name: &Path) -> Option<Bundled> {
        self.refresh();
        let (_, known) = self.known.get(self.cgroups.get(name)?)?;
        known.as_ref().map(|known| known.container.clone())
    }

    /// The bundle of the container with this id.
    pub fn of_id(&mut self, id: &str) -> Option<PathBuf> {
        self.refresh();
        let mut all = self.known.values().filter_map(|(_, known)| known.as_ref());
        all.find(|known| known.container.id == id).map(|known| known.container.bundle.clone())
    }

    fn refresh(&mut self) {
        let roots = directories(&[]);
        self.roots.retain(|root, _| roots.contains(root));
        let mut changed = false;
        for root in roots {
            // A runtime writes the state after it has made the directory.
            let waits = |(dir, (_, known)): (&PathBuf, &(_, Option<_>))| {
                known.is_none() && dir.parent() == Some(&root)
            };
            let waits = self.known.iter().any(waits);
            if self.roots.entry(root.clone()).or_default().is_due(&root) || waits {
                changed |= self.list(&root);
            }
        }
        if changed {
            let all =
                self.known.iter().filter_map(|(dir, (_, known))| Some((dir, known.as_ref()?)));
            let cgroups = all.flat_map(|(dir, known)| {
                known.cgroups.iter().map(|cgroup| (cgroup.clone(), dir.clone()))
            });
            self.cgroups = cgroups.collect();
        }
    }

    /// Says whether anything is new.
    fn list(&mut self, root: &Path) -> bool {
        let Ok(found) = containers(root) else { return false };
        let there: HashSet<&PathBuf> = found.iter().map(|(dir, _)| dir).collect();
        let before = self.known.len();
        self.known.retain(|dir, _| dir.parent() != Some(root) || there.contains(dir));
        let mut changed = self.known.len() != before;
        for (dir, inode) in &found {
            let is_known =
                |(known, state): &(Inode, Option<Known>)| *known == *inode && state.is_some();
            if self.known.get(dir).is_some_and(is_known) {
                continue;
            }
            let known = read(dir);
            changed |= known.is_some();
            self.known.insert(dir.clone(), (*inode, known));
        }
        changed
    }
}

fn read(dir: &Path) -> Option<Known> {
    let id = dir.file_name()?.to_str()?.to_owned();
    let State { bundle, cgroups, .. } = state(dir).ok()??;
    Some(Known { container: Bundled { id, bundle }, cgroups })
}
