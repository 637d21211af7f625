//! The way from a cgroup's name to a directory and back. cgroup2 is mounted at /sys/fs/cgroup, at
//! /sys/fs/cgroup/unified on hybrid hosts, or elsewhere, perhaps showing only a part, perhaps
//! hidden below another mount.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{Cgroup, CgroupError, open_dir};
use crate::kernel::sys;
use crate::mounts::{Mount, fdinfo, of_type};

/// Opens a cgroup by its path in the hierarchy, through the first mount that shows it.
pub(super) fn open(name: PathBuf) -> Result<Cgroup, CgroupError> {
    let mut failure = None;
    for mount in mounts()? {
        let Ok(below) = name.strip_prefix(&mount.root) else { continue };
        let path = join(&mount.point, below);
        match open_dir(&path) {
            Ok(dir) if mount_id(&dir).is_none_or(|id| id == mount.id) => {
                return Ok(Cgroup { dir, path, name });
            }
            // Another mount lies on top.
            Ok(_) | Err(CgroupError::NotCgroup2 { .. }) => {}
            // Below a mount that lies on top, there is anything or nothing.
            Err(CgroupError::Missing { .. }) if is_hidden(&mount) => {}
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or(CgroupError::NotMounted { cgroup: name }))
}

/// Opens a cgroup by its id; `None` if it is gone.
pub(super) fn of_id(id: u64) -> Result<Option<Cgroup>, CgroupError> {
    let top = open(PathBuf::from("/"))?;
    let dir = match sys::handle::open_cgroup(top.dir.as_fd(), id) {
        Ok(dir) => File::from(dir),
        Err(Errno::ESTALE | Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(CgroupError::Open { path: top.path, source: errno.into() }),
    };
    let shown = fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd()));
    let path = shown.map_err(|source| CgroupError::Open { path: top.path, source })?;
    let name = name_of(&dir, &path)?;
    Ok(Some(Cgroup { dir, path, name }))
}

/// Which cgroups are there, by their ids: for many of them.
#[derive(Debug)]
pub struct CgroupIds {
    top: Cgroup,
}

impl CgroupIds {
    /// Those of the hierarchy that is mounted.
    ///
    /// # Errors
    /// No cgroup2 is mounted.
    pub fn new() -> Result<CgroupIds, CgroupError> {
        Ok(CgroupIds { top: open(PathBuf::from("/"))? })
    }

    /// Whether there is a cgroup with this id. Ids are not used twice.
    ///
    /// # Errors
    /// The caller may not look for it (CAP_DAC_READ_SEARCH).
    pub fn has(&self, id: u64) -> Result<bool, CgroupError> {
        match sys::handle::open_cgroup(self.top.dir.as_fd(), id) {
            Ok(_) => Ok(true),
            Err(Errno::ESTALE | Errno::ENOENT) => Ok(false),
            Err(errno) => {
                Err(CgroupError::Open { path: self.top.path.clone(), source: errno.into() })
            }
        }
    }
}

fn is_hidden(mount: &Mount) -> bool {
    match open_dir(&mount.point) {
        Ok(dir) => mount_id(&dir).is_some_and(|id| id != mount.id),
        Err(error) => matches!(error, CgroupError::NotCgroup2 { .. }),
    }
}

/// The path in the hierarchy of a directory that was opened at `path`.
pub(super) fn name_of(dir: &File, path: &Path) -> Result<PathBuf, CgroupError> {
    let open = |source| CgroupError::Open { path: path.to_owned(), source };
    let place = fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).map_err(open)?;
    let id = mount_id(dir);
    mounts()?
        .into_iter()
        .filter(|mount| id.is_none_or(|id| id == mount.id))
        .find_map(|mount| Some(join(&mount.root, place.strip_prefix(&mount.point).ok()?)))
        .ok_or(CgroupError::NotMounted { cgroup: place.clone() })
}

/// Joining nothing would add a slash.
fn join(base: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { base.to_owned() } else { base.join(below) }
}

fn mounts() -> Result<Vec<Mount>, CgroupError> {
    of_type("cgroup2").map_err(CgroupError::Mounts)
}

/// The id of the mount through which the directory was reached; `None` where /proc does not
/// tell, and it has to be taken as it is.
fn mount_id(dir: &File) -> Option<u32> {
    fdinfo(dir, "mnt_id:")
}
