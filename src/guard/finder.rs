//! Containers that runtimes know of, as they appear.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::trouble::Trouble;
use crate::container::ContainerId;
use crate::container::runtimes::{self, Inode};

/// A change of a directory that is not older than this may be followed by another with the same
/// time: the kernel's clock for files has steps of some milliseconds.
const FRESH: Duration = Duration::from_secs(1);

/// A container's directory that was not looked into, or of which nothing could be told yet.
#[derive(Debug)]
pub(super) struct Candidate {
    pub id: ContainerId,
    /// When it was first seen.
    pub since: Instant,
    /// Why it was not enforced so far.
    pub trouble: Trouble,
}

/// What becomes of a candidate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is nothing more to be done.
    Settled,
    /// It is looked at again.
    Wait,
}

/// All directories of containers.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// Roots besides those that runtimes have by default.
    more: Vec<PathBuf>,
    /// When a root last changed, as far as it was listed.
    listed: HashMap<PathBuf, SystemTime>,
    /// Containers' directories that were seen.
    known: HashMap<PathBuf, Inode>,
    pub candidates: HashMap<PathBuf, Candidate>,
}

impl Finder {
    pub fn new(more: Vec<PathBuf>) -> Finder {
        Finder { more, ..Finder::default() }
    }

    /// Looks for containers that appeared since.
    pub fn search(&mut self, now: Instant) {
        let roots = runtimes::directories(&self.more);
        self.listed.retain(|root, _| roots.contains(root));
        for root in roots {
            let changed = fs::metadata(&root).and_then(|found| found.modified()).ok();
            if changed.is_none() || changed != self.listed.get(&root).copied() {
                self.list(&root, now);
                match changed.filter(|time| is_old(*time)) {
                    Some(time) => self.listed.insert(root, time),
                    None => self.listed.remove(&root),
                };
            }
        }
    }

    /// A directory that can't be listed is tried again.
    fn list(&mut self, root: &Path, now: Instant) {
        let Ok(containers) = runtimes::containers(root) else { return };
        let there: HashSet<&PathBuf> = containers.iter().map(|(path, _)| path).collect();
        let is_gone = |path: &PathBuf| path.parent() == Some(root) && !there.contains(path);
        self.known.retain(|path, _| !is_gone(path));
        self.candidates.retain(|path, _| !is_gone(path));
        for (path, inode) in containers {
            if self.known.get(&path) == Some(&inode) {
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(Ok(id)) = name.map(str::parse) {
                let candidate = Candidate { id, since: now, trouble: Trouble::default() };
                self.candidates.insert(path.clone(), candidate);
            }
            self.known.insert(path, inode);
        }
    }

    /// A container whose record is gone is looked at again.
    pub fn reconsider(&mut self, id: &ContainerId) {
        let is_of = |path: &PathBuf| path.file_name().is_some_and(|name| name == id.as_str());
        self.known.retain(|path, _| !is_of(path));
        self.listed.clear();
    }
}

fn is_old(time: SystemTime) -> bool {
    // A time in the future is no older.
    time.elapsed().is_ok_and(|age| age > FRESH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(finder: &Finder) -> Vec<String> {
        let mut names: Vec<String> =
            finder.candidates.values().map(|found| found.id.to_string()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn containers_are_found_once_and_again_when_they_are_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mut finder = Finder::new(vec![dir.path().to_owned(), path("none")]);
        // What this machine's runtimes have is none of the test's.
        let search = |finder: &mut Finder| {
            finder.search(Instant::now());
            finder.candidates.retain(|found, _| found.starts_with(dir.path()));
            let found = names(finder);
            finder.candidates.clear();
            found
        };
        assert_eq!(search(&mut finder), [""; 0]);
        for name in ["a", "b", ".hidden"] {
            fs::create_dir(path(name)).unwrap();
        }
        assert_eq!(search(&mut finder), ["a", "b"]);
        assert_eq!(search(&mut finder), [""; 0]);
        fs::rename(path("a"), path("c")).unwrap();
        fs::create_dir(path("a")).unwrap();
        assert_eq!(search(&mut finder), ["a", "c"]);
        finder.reconsider(&"c".parse().unwrap());
        assert_eq!(search(&mut finder), ["c"]);
    }
}
