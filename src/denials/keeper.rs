//! Who looks after the observer that stays, and runs on: the guard.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StandingError;
use super::cover::{cover, top_level};
use super::covers::Covers;
use super::tidy::{Moved, Tidier};
use super::turn::Turn;
use crate::cgroup::Cgroup;
use crate::observe::{OBSERVE, Observer};
use crate::run_dir::{RUN_DIR, RunDir};

/// For how long it waits for others who attach the observer.
const WAITS: Duration = Duration::from_millis(100);

/// The observer, open, and what was learnt of its containers.
#[derive(Debug)]
pub struct Keeper {
    observer: Observer,
    tidier: Tidier,
    /// Cgroups below the root that are observed.
    covered: HashSet<u64>,
}

impl Keeper {
    /// Looks after this observer.
    pub fn new(observer: Observer) -> Keeper {
        Keeper { observer, tidier: Tidier::default(), covered: HashSet::new() }
    }

    /// Learns which containers there are, for when they have ended.
    ///
    /// # Errors
    /// The map can't be read.
    pub fn learn(&mut self) -> Result<(), StandingError> {
        self.tidier.learn(self.observer.observations())
    }

    /// Moves the rows of containers that ended.
    ///
    /// # Errors
    /// Rows of a container that ended are in the map still.
    pub fn tidy(&mut self) -> Result<Moved, StandingError> {
        self.tidier.tidy(self.observer.observations())
    }

    /// Covers the cgroups that appeared below the root, if all are to be observed.
    ///
    /// # Errors
    /// One of them is not observed; the others are.
    pub fn cover(&mut self) -> Result<(), StandingError> {
        let top = top_level()?;
        let found: Vec<(PathBuf, u64)> = top
            .into_iter()
            .filter_map(|path| Some((id(&path)?, path)))
            .map(|(id, path)| (path, id))
            .collect();
        let is_seen = |(path, id): &(PathBuf, u64)| {
            let is_last = || Some(!self.observer.is_overtaken(&Cgroup::open(path).ok()?).ok()?);
            self.covered.contains(id) && is_last() != Some(false)
        };
        if found.iter().all(is_seen) {
            return Ok(());
        }
        let Some(run) = RunDir::existing(Path::new(RUN_DIR))? else { return Ok(()) };
        if Covers::read(&run)? != Some(Covers::TopLevel) {
            return Ok(());
        }
        let _turn = Turn::wait(&run, WAITS)?;
        // Others may have attached it meanwhile.
        let Some(mut observer) = Observer::pinned(Path::new(OBSERVE))? else { return Ok(()) };
        observer.drop_removed()?;
        let paths: Vec<PathBuf> = found.iter().map(|(path, _)| path.clone()).collect();
        let mut failed = cover(&mut observer, &paths).failed;
        self.covered = found
            .into_iter()
            .filter(|(path, _)| !failed.iter().any(|(other, _)| other == path))
            .map(|(_, id)| id)
            .collect();
        match failed.pop() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }
}

fn id(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.ino())
}
