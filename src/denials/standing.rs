//! The observer that stays: `devgate observe start|stop|status`.
//!
//! # What a kill leaves
//! Links that are not pinned end with their process, and the pins appear in one step, when the
//! observer is attached and complete. So a start that is killed leaves nothing in force: at most a
//! directory of pins with another name, which the next start or stop removes, and files below
//! /run/devgate, which the next start writes anew. A stop takes the pins away in one step, by another
//! name; if it is killed after that, the next start or stop removes the rest.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StandingError;
use super::cover::{Covered, cover, top_level};
use super::covers::Covers;
use super::ended::EndedStore;
use super::turn::Turn;
use crate::bpffs::PinDir;
use crate::cgroup::Cgroup;
use crate::container::Time;
use crate::hold::PINS;
use crate::kernel::{AttachFlags, query};
use crate::observe::{Fill, Method, OBSERVE, ObserveError, Observer, Size, Task};
use crate::run_dir::{RUN_DIR, RunDir};

/// For how long another one may start, stop or extend it.
const WAITS: Duration = Duration::from_secs(10);

/// Most programs of a cgroup (`BPF_CGROUP_MAX_PROGS`).
const MOST_PROGRAMS: usize = 64;

/// What is to be observed, and how much of it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Directories of cgroups; none: each below the root.
    pub cgroups: Vec<PathBuf>,
    /// Rows for each container.
    pub rows: Option<u32>,
    /// Containers.
    pub containers: Option<u32>,
}

/// What a start came to.
#[derive(Debug)]
pub struct Started {
    /// Whether there was no observer before.
    pub is_new: bool,
    /// How it comes to its verdicts.
    pub method: Method,
    /// The cgroups that it is attached to.
    pub cgroups: Vec<PathBuf>,
    /// What became of those that are to be observed.
    pub covered: Covered,
    /// Whether a half-made observer was removed first.
    pub repaired: bool,
}

/// Observes from now on, or covers what is not covered yet.
///
/// # Errors
/// Nothing is observed that was not before, or one of the cgroups that were named can't be.
pub fn start(wanted: &Wanted) -> Result<Started, StandingError> {
    let run = RunDir::open()?;
    let _turn = Turn::wait(&run, WAITS)?;
    let pins = Path::new(OBSERVE);
    let mut repaired = Observer::sweep(pins)?;
    match Observer::pinned(pins) {
        Ok(Some(observer)) => return extend(observer, wanted, &run, repaired),
        Ok(None) => {}
        Err(ObserveError::Incomplete { .. }) => repaired |= Observer::unpin(pins)?,
        Err(error) => return Err(error.into()),
    }
    let default = Size::default();
    let size = Size {
        per_container: wanted.rows.unwrap_or(default.per_container),
        containers: wanted.containers.unwrap_or(default.containers),
    };
    let mut observer = Observer::load(Task { size, ..Task::default() })?;
    let named = named(wanted)?;
    let cgroups = match named.is_empty() {
        true => top_level()?,
        false => named.clone(),
    };
    let mut covered = cover(&mut observer, &cgroups);
    if !named.is_empty() {
        refuse(&mut covered)?;
    }
    // What an earlier observer counted is none of this one's.
    EndedStore::of(&run)?.clear()?;
    let is_all = named.is_empty();
    let covers = if is_all { Covers::TopLevel } else { Covers::These(named) };
    covers.write(&run)?;
    observer.pin(pins)?;
    if is_all {
        // A container that started before the pins were there did not find them.
        covered.new.extend(cover(&mut observer, &top_level()?).new);
    }
    let (method, cgroups) = (observer.method(), observer.cgroups());
    Ok(Started { is_new: true, method, cgroups, covered, repaired })
}

fn extend(
    mut observer: Observer,
    wanted: &Wanted,
    run: &RunDir,
    repaired: bool,
) -> Result<Started, StandingError> {
    let size = size(&observer.observations().fill()?);
    let is_other = |wanted: Option<u32>, has| wanted.is_some_and(|wanted| wanted != has);
    if is_other(wanted.rows, size.per_container) || is_other(wanted.containers, size.containers) {
        return Err(StandingError::OtherSize { size });
    }
    observer.drop_removed()?;
    let named = named(wanted)?;
    let covers = Covers::read(run)?;
    let covered = match (covers, named.is_empty()) {
        (Some(Covers::These(cgroups)), true) => {
            return Err(StandingError::OtherCgroups { cgroups });
        }
        (Some(Covers::These(mut cgroups)), false) => {
            cgroups.extend(
                named.iter().filter(|path| !cgroups.contains(path)).cloned().collect::<Vec<_>>(),
            );
            let mut covered = cover(&mut observer, &named);
            refuse(&mut covered)?;
            Covers::These(cgroups).write(run)?;
            covered
        }
        // Somebody removed the file, which tells no more than this.
        (None, true) => {
            Covers::TopLevel.write(run)?;
            cover(&mut observer, &top_level()?)
        }
        (Some(Covers::TopLevel), true) => cover(&mut observer, &top_level()?),
        (Some(Covers::TopLevel) | None, false) => {
            let mut covered = cover(&mut observer, &named);
            refuse(&mut covered)?;
            covered
        }
    };
    let (method, cgroups) = (observer.method(), observer.cgroups());
    Ok(Started { is_new: false, method, cgroups, covered, repaired })
}

/// The directories that were named, as others find them too.
fn named(wanted: &Wanted) -> Result<Vec<PathBuf>, StandingError> {
    let whole = |path: &PathBuf| {
        Ok(Cgroup::open(&fs::canonicalize(path).unwrap_or_else(|_| path.clone()))?
            .path()
            .to_owned())
    };
    wanted.cgroups.iter().map(whole).collect()
}

/// What was named must be observed. What is in a cgroup that is observed, is.
fn refuse(covered: &mut Covered) -> Result<(), StandingError> {
    let is_seen = |(path, error): &(PathBuf, StandingError)| matches!(error, StandingError::Observe(ObserveError::Nested { other, .. }) if path.starts_with(other));
    covered.failed.retain(|failed| !is_seen(failed));
    match covered.failed.pop() {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// Ends the observer, and removes what it has counted. `false` if there was none.
///
/// # Errors
/// Something is left; a further stop goes on.
pub fn stop() -> Result<bool, StandingError> {
    let run = RunDir::existing(Path::new(RUN_DIR))?;
    // A start takes its turn first.
    let was_started = run.as_ref().is_some_and(Turn::was_ever_taken);
    if !was_started && PinDir::existing(Path::new(PINS))?.is_none() {
        return Ok(false);
    }
    let run = match run {
        Some(run) => run,
        None => RunDir::open()?,
    };
    let _turn = Turn::wait(&run, WAITS)?;
    let was_there = Observer::unpin(Path::new(OBSERVE))?;
    Covers::remove(&run)?;
    if let Some(ended) = EndedStore::existing()? {
        ended.clear()?;
    }
    Ok(was_there)
}

/// The observer that stays.
#[derive(Debug)]
pub struct Status {
    /// When it was started.
    pub since: Time,
    /// How it comes to its verdicts.
    pub method: Method,
    /// Its program.
    pub program: u32,
    /// The cgroups that it is attached to.
    pub cgroups: Vec<PathBuf>,
    /// Those that are to be observed and are not, and why.
    pub uncovered: Vec<(PathBuf, String)>,
    /// How full its maps are.
    pub fill: Fill,
    /// Its size.
    pub size: Size,
    /// Requests that found no room.
    pub lost: u64,
    /// Those of them that were of cgroups without a room.
    pub lost_without_room: u64,
    /// Ended containers of which something is kept.
    pub ended: usize,
}

/// What is observed; `None` if nothing is.
///
/// # Errors
/// It can't be told, or the observer is half-made.
pub fn status() -> Result<Option<Status>, StandingError> {
    let pins = Path::new(OBSERVE);
    let Some(observer) = Observer::pinned(pins)? else { return Ok(None) };
    let observations = observer.observations();
    let fill = observations.fill()?;
    let lost = observations.lost()?;
    let without_room = lost.iter().filter(|lost| lost.cgroup_id.is_none());
    let ended = match EndedStore::existing()? {
        Some(ended) => ended.count()?,
        None => 0,
    };
    Ok(Some(Status {
        since: since(pins),
        method: observer.method(),
        program: observer.program_id().number(),
        uncovered: uncovered(&observer)?,
        cgroups: observer.cgroups(),
        fill,
        size: size(&fill),
        lost: lost.iter().map(|lost| lost.requests).sum(),
        lost_without_room: without_room.map(|lost| lost.requests).sum(),
        ended,
    }))
}

/// When the observer's maps were pinned.
pub(super) fn since(pins: &Path) -> Time {
    let pinned = fs::symlink_metadata(pins.join("requests")).and_then(|found| found.modified());
    // Without the pin there is no observer.
    pinned.map_or_else(|_| Time::now(), Time::of)
}

fn size(fill: &Fill) -> Size {
    let containers = fill.most_rooms.max(1);
    Size { per_container: fill.most_rows / containers, containers: fill.most_rooms }
}

fn uncovered(observer: &Observer) -> Result<Vec<(PathBuf, String)>, StandingError> {
    let covers = match RunDir::existing(Path::new(RUN_DIR))? {
        Some(run) => Covers::read(&run)?,
        None => None,
    };
    let wanted = match covers {
        Some(Covers::These(cgroups)) => cgroups,
        Some(Covers::TopLevel) | None => top_level()?,
    };
    let covered = observer.cgroups();
    let is_covered = |path: &PathBuf| covered.iter().any(|other| path.starts_with(other));
    Ok(wanted
        .into_iter()
        .filter(|path| !is_covered(path))
        .map(|path| {
            let why = why_not(&path);
            (path, why)
        })
        .collect())
}

/// Why a cgroup is not observed, without trying it.
fn why_not(path: &Path) -> String {
    let attached = match Cgroup::open(path) {
        Ok(cgroup) => query(cgroup.as_fd()).map_err(|error| crate::errors::chain(&error)),
        Err(error) => Err(crate::errors::chain(&error)),
    };
    match attached {
        Err(error) => error,
        Ok(attached) if attached.ids.len() >= MOST_PROGRAMS => {
            format!("{MOST_PROGRAMS} programs are attached to it, and it takes no more")
        }
        Ok(attached) => match attached.single() {
            Some(id) => {
                let kind = match attached.flags {
                    AttachFlags::OVERRIDE => "override",
                    _ => "exclusive",
                };
                format!("program {id} ({kind}) is attached to it, and takes no other beside it")
            }
            None => "it is new".to_owned(),
        },
    }
}
