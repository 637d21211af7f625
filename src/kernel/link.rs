//! bpf_links that hold device programs on cgroups, and where they are pinned.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::program::ProgId;
use super::sys;
use crate::mounts;

/// Directories of a bpffs that are looked into, one below the other.
const DEEPEST: u32 = 8;

/// A bpf_link of a device program to a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's id for it.
    pub id: u32,
    /// The program that it holds.
    pub program: ProgId,
    /// The cgroup: the inode number of its directory.
    pub cgroup_id: u64,
}

/// The links of device programs to cgroups, of all that there are.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; EINVAL before Linux 5.8, which has no such list.
pub fn links() -> nix::Result<Vec<Link>> {
    let mut links = Vec::new();
    let mut last = 0;
    loop {
        last = match sys::link_next_id(last) {
            Ok(next) => next,
            Err(Errno::ENOENT) => return Ok(links),
            Err(errno) => return Err(errno),
        };
        let info = sys::link_fd_by_id(last).and_then(|link| sys::link_info(link.as_fd()));
        match info {
            Ok(info)
                if info.link_type == sys::LINK_TYPE_CGROUP
                    && info.attach_type == sys::ATTACH_TYPE_CGROUP_DEVICE =>
            {
                let program = ProgId::new(info.prog_id);
                links.push(Link { id: last, program, cgroup_id: info.cgroup_id });
            }
            // Of another kind, gone meanwhile, or only being made.
            Ok(_) | Err(Errno::ENOENT | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Where links are pinned, by their id: in any bpffs that is mounted here.
pub fn link_pins() -> BTreeMap<u32, PathBuf> {
    let mut pins = BTreeMap::new();
    for mount in mounts::of_type("bpf").unwrap_or_default() {
        walk(&mount.point, DEEPEST, &mut pins);
    }
    pins
}

/// What can't be read is passed over: a pin that is not found is not shown.
fn walk(dir: &Path, depth: u32, pins: &mut BTreeMap<u32, PathBuf>) {
    let Some(below) = depth.checked_sub(1) else { return };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, below, pins),
            Ok(kind) if kind.is_file() => {
                if let Some(id) = pinned_link(&path) {
                    pins.insert(id, path);
                }
            }
            _ => {}
        }
    }
}

/// The id of the link that is pinned there, if it is one: its fdinfo tells.
fn pinned_link(path: &Path) -> Option<u32> {
    let name = CString::new(path.as_os_str().as_bytes()).ok()?;
    let object = sys::obj_get(&name).ok()?;
    mounts::fdinfo(&object, "link_id:")
}
