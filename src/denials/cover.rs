//! Attaching the observer to cgroups that it is not attached to.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StandingError;
use super::covers::Covers;
use super::turn::Turn;
use crate::bpffs::PinDir;
use crate::cgroup::{Cgroup, CgroupError};
use crate::container::{Naming, directories, running};
use crate::observe::{OBSERVE, ObserveError, Observer};
use crate::run_dir::{RUN_DIR, RunDir};

/// For so long a container that starts waits for others who attach the observer.
const HOOK_WAITS: Duration = Duration::from_secs(1);

/// What became of cgroups that are to be observed.
#[derive(Debug, Default)]
pub struct Covered {
    /// Those that are observed now and were not before.
    pub new: Vec<PathBuf>,
    /// Those that can't be observed, and why.
    pub failed: Vec<(PathBuf, StandingError)>,
}

/// The cgroups right below the root: each container is in one of them. The root itself is never
/// observed.
pub(super) fn top_level() -> Result<Vec<PathBuf>, StandingError> {
    Ok(directories(Cgroup::top()?.path())?)
}

/// Attaches the observer to each of these that it is not attached to. One that is removed meanwhile
/// is left out, as is one whose requests the observer sees already.
pub(super) fn cover(observer: &mut Observer, cgroups: &[PathBuf]) -> Covered {
    let (mut covered, mut naming) = (Covered::default(), Naming::default());
    for path in cgroups {
        let outcome = Cgroup::open(path).map_err(ObserveError::from);
        match outcome.and_then(|cgroup| observer.observe(cgroup)) {
            Ok(true) => {
                covered.new.push(path.clone());
                if let Err(error) = make_rooms(observer, path, &mut naming) {
                    covered.failed.push((path.clone(), error));
                }
            }
            Ok(false) | Err(ObserveError::Cgroup(CgroupError::Missing { .. })) => {}
            Err(error) => covered.failed.push((path.clone(), error.into())),
        }
    }
    covered
}

/// Makes rooms for the containers that run there.
fn make_rooms(
    observer: &Observer,
    cgroup: &Path,
    naming: &mut Naming,
) -> Result<(), StandingError> {
    let running = running(cgroup, naming)?;
    Ok(observer.make_rooms(running.iter().map(|container| container.cgroup_id))?)
}

/// Whether a container that starts is observed.
#[derive(Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing is observed, or only what `--cgroup` named.
    Off,
    /// It is.
    Observed,
    /// It is from now on, by its cgroup right below the root.
    New(PathBuf),
}

/// Makes sure that the container's cgroup is observed, if every container is to be. Where nothing is
/// observed, this is one open(2) that fails.
///
/// # Errors
/// It is not observed.
pub fn cover_container(cgroup: &Cgroup) -> Result<Sight, StandingError> {
    let pins = Path::new(OBSERVE);
    if PinDir::existing(pins)?.is_none() {
        return Ok(Sight::Off);
    }
    let Some(run) = RunDir::existing(Path::new(RUN_DIR))? else { return Ok(Sight::Off) };
    if Covers::read(&run)? != Some(Covers::TopLevel) {
        return Ok(Sight::Off);
    }
    // The root is no part of the name.
    let depth = cgroup.name().components().count().saturating_sub(1);
    let above = depth.checked_sub(1).and_then(|levels| cgroup.path().ancestors().nth(levels));
    let Some(top) = above else { return Ok(Sight::Off) };
    let id = fs::metadata(top).map(|found| found.ino());
    // Where the container's own cgroup is right below the root, its policy may be newer than the
    // observer's link, and would run after it.
    if depth > 1 && id.is_ok_and(|id| Observer::link_path(pins, id).exists()) {
        Observer::make_room(pins, cgroup.id()?)?;
        return Ok(Sight::Observed);
    }
    let _turn = Turn::wait(&run, HOOK_WAITS)?;
    let Some(mut observer) = Observer::pinned(pins)? else { return Ok(Sight::Off) };
    Observer::make_room(pins, cgroup.id()?)?;
    match observer.observe(Cgroup::open(top)?)? {
        true => Ok(Sight::New(top.to_owned())),
        false => Ok(Sight::Observed),
    }
}
