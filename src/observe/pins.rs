//! Observers that stay without a process: everything of one is pinned in a directory of its own.
//!
//! ```text
//! program-told        or program-computed: the program, and how it comes to verdicts
//! requests, rooms     its maps
//! link-CGROUPID       a link for each cgroup that it is attached to
//! ```
//!
//! A directory appears whole, by a rename, and is renamed before it is removed: what has another
//! name was left by somebody who ended half-way.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;

use super::observations::{self, NAMES, Observations};
use super::observer::{Observer, Observes};
use super::{Method, ObserveError};
use crate::bpffs::PinDir;
use crate::cgroup::Cgroup;
use crate::files::names_in;
use crate::kernel::{Link, Loaded, Map, OpenLink};

/// The directory of the permanent observer (`devgate observe`).
pub const OBSERVE: &str = "/sys/fs/bpf/devgate/observe";

const PROGRAMS: [(&str, Method); 2] =
    [("program-told", Method::Told), ("program-computed", Method::Computed)];

const LINK: &str = "link-";

/// Parts of names of directories that are not whole. A bpffs takes no names with dots.
const NEW: &str = "new-";
const OLD: &str = "old-";

pub(super) fn link_path(dir: &Path, cgroup_id: u64) -> PathBuf {
    dir.join(format!("{LINK}{cgroup_id}"))
}

fn pinning(path: PathBuf) -> impl FnOnce(Errno) -> ObserveError {
    move |errno| ObserveError::Pin { path, errno }
}

impl Observer {
    /// Pins all of it in `dir`, which must not be there. It lives on until [`Observer::unpin`], and what is observed from now on is pinned as well.
    ///
    /// # Errors
    /// Nothing can be pinned there; EEXIST if another observer is. Nothing new is pinned then.
    pub fn pin(&mut self, dir: &Path) -> Result<(), ObserveError> {
        if let Some(above) = dir.parent() {
            PinDir::make(above)?;
        }
        let new = beside(dir, NEW);
        let pinned = self.pin_in(&new).and_then(|()| {
            // A directory that is empty would be replaced.
            match dir.try_exists() {
                Ok(false) => {
                    fs::rename(&new, dir).map_err(|error| pinning(dir.to_owned())(errno(&error)))
                }
                _ => Err(pinning(dir.to_owned())(Errno::EEXIST)),
            }
        });
        match pinned {
            Ok(()) => {
                self.dir = Some(dir.to_owned());
                Ok(())
            }
            Err(error) => {
                // What is left of it is removed with the next observer.
                let _ = remove(&new);
                Err(error)
            }
        }
    }

    fn pin_in(&self, dir: &Path) -> Result<(), ObserveError> {
        PinDir::make(dir)?;
        for (name, method) in PROGRAMS {
            if method == self.method {
                let path = dir.join(name);
                self.program.pin(&path).map_err(pinning(path))?;
            }
        }
        let Observations { requests, rooms, .. } = &self.observations;
        let path = dir.join(NAMES[0]);
        requests.pin(&path).map_err(pinning(path))?;
        let path = dir.join(NAMES[1]);
        rooms.pin(&path).map_err(pinning(path))?;
        self.observed.iter().try_for_each(|observed| pin_link(dir, observed))
    }

    /// Where the link to the cgroup with this id is pinned, if the observer in `dir` is attached
    /// to it.
    pub fn link_path(dir: &Path, cgroup_id: u64) -> PathBuf {
        link_path(dir, cgroup_id)
    }

    /// Makes a room in the observer that is pinned in `dir` for the container with this cgroup, before
    /// that makes cgroups of its own.
    ///
    /// # Errors
    /// There is no such observer, or its map can't be changed.
    pub fn make_room(dir: &Path, cgroup_id: u64) -> Result<(), ObserveError> {
        let path = dir.join(NAMES[1]);
        let rooms = Map::pinned_at(&path);
        let rooms = rooms.map_err(|errno| ObserveError::Pinned { path, errno })?;
        observations::make_room(&rooms, Some(cgroup_id))
    }

    /// The observer that is pinned in `dir`, if one is.
    ///
    /// # Errors
    /// It is not a whole one, or others could have changed it.
    pub fn pinned(dir: &Path) -> Result<Option<Observer>, ObserveError> {
        let Some(opened) = PinDir::existing(dir)? else { return Ok(None) };
        let incomplete = || ObserveError::Incomplete { path: dir.to_owned() };
        let reading = |path: PathBuf| {
            move |errno| match errno {
                Errno::ENOENT => ObserveError::Incomplete { path: dir.to_owned() },
                errno => ObserveError::Pinned { path, errno },
            }
        };
        let listed = names_in(opened.file());
        let names = listed.map_err(|error| reading(dir.to_owned())(errno(&error)))?;
        let is_there = |(name, _): &&(&str, Method)| names.iter().any(|found| found == name);
        let (name, method) = PROGRAMS.iter().find(is_there).ok_or_else(incomplete)?;
        let path = |name: &str| dir.join(name);
        let program = Loaded::observer_at(&path(name)).map_err(reading(path(name)))?;
        let requests = Map::pinned_at(&path(NAMES[0])).map_err(reading(path(NAMES[0])))?;
        let rooms = Map::pinned_at(&path(NAMES[1])).map_err(reading(path(NAMES[1])))?;
        let mut observed = Vec::new();
        for name in names.iter().filter(|name| name.starts_with(LINK)) {
            match OpenLink::pinned_at(&path(name)) {
                // Its cgroup was removed, and the link ended with it; or it was unpinned just now.
                Ok((_, link)) if link.cgroup_id == 0 => {}
                Err(Errno::ENOENT) => {}
                Ok((_, described)) => {
                    if let Some(cgroup) = Cgroup::of_id(described.cgroup_id)? {
                        observed.push(Observes { cgroup, id: described.cgroup_id, link: None });
                    }
                }
                Err(errno) => return Err(reading(path(name))(errno)),
            }
        }
        let observations = Observations { requests, rooms, events: None };
        Ok(Some(Observer {
            program,
            method: *method,
            observations,
            observed,
            dir: Some(dir.to_owned()),
        }))
    }

    /// Removes the pins of the observer in `dir`, and what was left half-way beside it: it ends
    /// when nobody has it open any more. `false` if nothing was there.
    ///
    /// # Errors
    /// A pin can't be removed.
    pub fn unpin(dir: &Path) -> Result<bool, ObserveError> {
        let old = beside(dir, OLD);
        let there = match fs::rename(dir, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(source) => return Err(ObserveError::Remove { path: dir.to_owned(), source }),
        };
        Ok(Observer::sweep(dir)? || there)
    }

    /// Removes what somebody left half-way beside `dir`. `false` if there was nothing.
    ///
    /// # Errors
    /// A pin can't be removed.
    pub fn sweep(dir: &Path) -> Result<bool, ObserveError> {
        let (Some(above), Some(name)) =
            (dir.parent(), dir.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(false);
        };
        let Some(above) = PinDir::existing(above)? else { return Ok(false) };
        let listed = names_in(above.file());
        let names = listed
            .map_err(|source| ObserveError::Remove { path: above.path().to_owned(), source })?;
        let mut found = false;
        for left in names {
            let of_this = [NEW, OLD].iter().any(|part| {
                let rest = left.strip_prefix(part).and_then(|rest| rest.split_once('-'));
                rest.is_some_and(|(pid, of)| of == name && is_ours_to_remove(pid))
            });
            if of_this {
                remove(&above.path().join(&left))?;
                found = true;
            }
        }
        Ok(found)
    }
}

/// Whether what a process with this id left is not being made or removed just now.
fn is_ours_to_remove(pid: &str) -> bool {
    let own = pid == process::id().to_string();
    own || !Path::new("/proc").join(pid).exists()
}

/// A name for a directory that is not whole, beside the one that is.
fn beside(dir: &Path, part: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!("{part}{}-{name}", process::id()))
}

pub(super) fn pin_link(dir: &Path, observed: &Observes) -> Result<(), ObserveError> {
    let Some(link) = &observed.link else { return Ok(()) };
    let path = link_path(dir, observed.id);
    match link.pin(&path) {
        // Somebody observes the cgroup since: this link ends with the process.
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(pinning(path)(errno)),
    }
}

/// Removes the pins of links that ended with their cgroups.
pub(super) fn unpin_ended(dir: &Path) -> Result<(), ObserveError> {
    let Some(opened) = PinDir::existing(dir)? else { return Ok(()) };
    let removing = |path: PathBuf| move |source| ObserveError::Remove { path, source };
    let names = names_in(opened.file()).map_err(removing(dir.to_owned()))?;
    for name in names.iter().filter(|name| name.starts_with(LINK)) {
        let path = dir.join(name);
        let ended = matches!(OpenLink::pinned_at(&path), Ok((_, Link { cgroup_id: 0, .. })));
        match ended.then(|| fs::remove_file(&path)) {
            Some(Err(source)) if source.kind() != ErrorKind::NotFound => {
                return Err(removing(path)(source));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes a directory of pins.
fn remove(dir: &Path) -> Result<(), ObserveError> {
    let removing = |path: &Path, outcome: io::Result<()>| match outcome {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(ObserveError::Remove { path: path.to_owned(), source })
        }
        _ => Ok(()),
    };
    let Some(opened) = PinDir::existing(dir)? else { return Ok(()) };
    let listed = names_in(opened.file());
    let names = listed.map_err(|source| ObserveError::Remove { path: dir.to_owned(), source })?;
    for name in names {
        let path = dir.join(name);
        removing(&path, fs::remove_file(&path))?;
    }
    removing(dir, fs::remove_dir(dir))
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
