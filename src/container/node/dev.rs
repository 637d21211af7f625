//! A container's /dev, and the way to a node in it.
//!
//! The container may change any of it at any time. So a name is looked up from a descriptor, one
//! lookup neither follows a link nor crosses a mount, and what was found is told by its numbers and
//! not by its name. Nothing is asked of file systems of the container's own making: a FUSE server
//! would let us wait for ever.

use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, Statx, StatxFlags, fstatvfs,
    makedev, mkdirat, openat2, statx, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::super::dev_path::DevPath;
use super::super::init::Init;
use super::super::made::FileRef;
use super::error::{NodeError, call};
use crate::kernel::sys;
use crate::mounts::{fdinfo, file_systems, read_proc};

/// Where a lookup may lead: only to what is below, on the same mount, and through no link.
const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// A descriptor that only stands for a file, of whatever type, links included.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// The same for a directory; a link is an error (ELOOP) by the way of looking up.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Both lists of the host's mounts: devgate may run in a namespace of its own.
const HOST: [&str; 2] = ["/proc/self/mountinfo", "/proc/1/mountinfo"];

/// The /dev of a container: a tmpfs of its own.
#[derive(Debug)]
pub(super) struct Dev {
    dir: OwnedFd,
}

/// What is at a node's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub file: FileRef,
    pub kind: FileType,
    /// Of a device node, its device.
    pub device: u64,
}

impl Dev {
    /// The /dev that the container's first process sees.
    pub(super) fn open(init: &Init) -> Result<Dev, NodeError> {
        let root = init.root()?;
        let no_links = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = ResolveFlags::BENEATH | no_links;
        let dir = openat2(&root, "dev", DIRECTORY, Mode::empty(), flags)
            .map_err(|errno| NodeError::Dev(errno.into()))?;
        let id = fdinfo::<u32>(&dir, "mnt_id:");
        let mountinfo = init.mountinfo()?;
        let own = file_systems(&mountinfo).find(|found| Some(found.mount) == id);
        let Some(own) = own.filter(|own| own.name == "tmpfs") else {
            let file_system = own.map_or("an unknown file system", |own| own.name).to_owned();
            return Err(NodeError::NotOwn { file_system });
        };
        for list in HOST {
            let host = read_proc(list.as_ref()).map_err(call("read of the host's mounts"))?;
            if file_systems(&host).any(|host| host.device == own.device) {
                return Err(NodeError::Host);
            }
        }
        Ok(Dev { dir })
    }

    /// What is at the path; `None` if nothing is.
    pub(super) fn look(&self, path: &DevPath) -> Result<Option<Found>, NodeError> {
        let Some(way) = self.way(path)? else { return Ok(None) };
        match attributes(way.last()?, way.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(lookup(path, "looked at")(errno)),
        }
    }

    /// The way to the path; `None` if it is not there.
    pub(super) fn way<'p>(&self, path: &'p DevPath) -> Result<Option<Way<'p>>, NodeError> {
        let mut way = self.start(path)?;
        for name in path.split().0 {
            match open_inside(way.last()?, name, DIRECTORY) {
                Err(Errno::NOENT) => return Ok(None),
                next => way.directories.push(next.map_err(lookup(path, "reached"))?),
            }
        }
        Ok(Some(way))
    }

    /// The same, making the directories that are missing. The calling thread must be in the
    /// container's mount namespace.
    pub(super) fn make_way<'p>(&self, path: &'p DevPath) -> Result<Way<'p>, NodeError> {
        let mut way = self.start(path)?;
        for name in path.split().0 {
            if let Err(error) = way.step(name) {
                way.undo();
                return Err(error);
            }
        }
        Ok(way)
    }

    fn start<'p>(&self, path: &'p DevPath) -> Result<Way<'p>, NodeError> {
        let dev = self.dir.try_clone().map_err(call("dup of the container's /dev"))?;
        let mount = fstatvfs(&dev).map_err(call("statvfs of the container's /dev"))?;
        let read_only = mount.f_flag.contains(StatVfsMountFlags::RDONLY);
        Ok(Way { path, directories: vec![dev], made: 0, first_made: 0, read_only })
    }
}

/// The way to a node: descriptors of the directories, which stay those directories whatever the
/// container renames.
#[derive(Debug)]
pub(super) struct Way<'p> {
    path: &'p DevPath,
    /// /dev, then what leads to the node.
    directories: Vec<OwnedFd>,
    /// How many directories of the path were made, and the first one's place in it.
    made: usize,
    first_made: usize,
    /// Whether the container's mount of its /dev is.
    read_only: bool,
}

impl Way<'_> {
    /// How many directories were made, counted from the innermost.
    pub(super) fn made(&self) -> usize {
        self.made
    }

    fn name(&self) -> &str {
        self.path.split().1
    }

    fn last(&self) -> Result<&OwnedFd, NodeError> {
        self.directories.last().ok_or_else(|| self.changed())
    }

    fn changed(&self) -> NodeError {
        NodeError::Changed { path: self.path.clone() }
    }

    fn step(&mut self, name: &str) -> Result<(), NodeError> {
        let parent = self.last()?;
        let next = match open_inside(parent, name, DIRECTORY) {
            Err(Errno::NOENT) => {
                mkdirat(self.writable(parent)?, name, Mode::from_raw_mode(0o755))
                    .map_err(lookup(self.path, "given a directory"))?;
                let next = open_inside(parent, name, DIRECTORY);
                if self.made == 0 {
                    self.first_made = self.directories.len() - 1;
                }
                self.made += 1;
                next
            }
            // Below a new directory all is new, unless the container is at work there.
            _ if self.made > 0 => return Err(self.changed()),
            next => next,
        };
        self.directories.push(next.map_err(lookup(self.path, "reached"))?);
        Ok(())
    }

    /// The same directory, writable even where the container's mount of it is not: by a mount that
    /// nobody else sees.
    fn writable(&self, dir: &OwnedFd) -> Result<OwnedFd, NodeError> {
        if !self.read_only {
            return dir.try_clone().map_err(call("dup of the container's /dev"));
        }
        // With what is mounted below: that may be locked to it (mount_namespaces(7)).
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_EMPTY_PATH;
        let copy = open_tree(dir, "", flags).map_err(call("open_tree of the container's /dev"))?;
        sys::mount::make_writable(copy.as_fd())
            .map_err(call("mount_setattr of the container's /dev"))?;
        Ok(copy)
    }

    /// Makes an empty file at the end of the way, where nothing is.
    pub(super) fn make_file(&self) -> Result<FileRef, NodeError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let parent = self.writable(self.last()?)?;
        let file = openat2(parent, self.name(), flags, Mode::empty(), INSIDE)
            .map_err(lookup(self.path, "made"))?;
        describe(&file).map(|found| found.file)
    }

    /// The file itself at the end of the way, not what is mounted on it.
    pub(super) fn file(&self) -> Result<OwnedFd, NodeError> {
        open_inside(self.last()?, self.name(), HANDLE).map_err(lookup(self.path, "opened"))
    }

    /// What is on top at the end of the way, a mount or else the file; `None` if nothing is.
    pub(super) fn top(&self) -> Result<Option<OwnedFd>, NodeError> {
        // One name without a slash, and no link: it leads to that name and nowhere else.
        let over = INSIDE.difference(ResolveFlags::NO_XDEV);
        match openat2(self.last()?, self.name(), HANDLE, Mode::empty(), over) {
            Ok(top) => Ok(Some(top)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(lookup(self.path, "opened")(errno)),
        }
    }

    /// Removes that file, and the `directories` innermost directories as far as they are empty.
    /// Whatever else is there stays.
    pub(super) fn remove(&self, file: FileRef, directories: usize) -> Result<(), NodeError> {
        let parent = self.last()?;
        let found = attributes(parent, self.name(), AtFlags::SYMLINK_NOFOLLOW);
        // The container may exchange it in between, and then loses a file of its own.
        if found.is_ok_and(|found| found.file == file) {
            unlinkat(self.writable(parent)?, self.name(), AtFlags::empty())
                .map_err(lookup(self.path, "removed"))?;
        }
        let names = self.path.split().0.len();
        self.remove_directories(names.saturating_sub(directories)..names);
        Ok(())
    }

    /// Removes the directories that were made.
    pub(super) fn undo(&self) {
        self.remove_directories(self.first_made..self.first_made + self.made);
    }

    /// Removes directories of the path, by their places in it, from the innermost outwards and
    /// until one is not empty.
    fn remove_directories(&self, places: Range<usize>) {
        let (names, _) = self.path.split();
        for place in places.rev() {
            let (Some(parent), Some(name)) = (self.directories.get(place), names.get(place)) else {
                return;
            };
            let Ok(parent) = self.writable(parent) else { return };
            if unlinkat(parent, *name, AtFlags::REMOVEDIR).is_err() {
                return;
            }
        }
    }
}

fn open_inside(dir: impl AsFd, below: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat2(dir, below, flags, Mode::empty(), INSIDE)
}

/// The error for a lookup below /dev.
fn lookup(path: &DevPath, done: &'static str) -> impl FnOnce(Errno) -> NodeError {
    let path = path.clone();
    move |errno| match errno {
        Errno::LOOP => NodeError::Link { path },
        Errno::XDEV => NodeError::Mount { path },
        Errno::EXIST => NodeError::Changed { path },
        errno => NodeError::Path { path, done, source: errno.into() },
    }
}

/// What a descriptor stands for.
pub(super) fn describe(file: &OwnedFd) -> Result<Found, NodeError> {
    attributes(file, "", AtFlags::EMPTY_PATH).map_err(call("statx"))
}

fn attributes(dir: &OwnedFd, name: &str, flags: AtFlags) -> rustix::io::Result<Found> {
    let flags = flags | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let found: Statx = statx(dir, name, flags, StatxFlags::TYPE | StatxFlags::INO)?;
    let file_system = makedev(found.stx_dev_major, found.stx_dev_minor);
    Ok(Found {
        file: FileRef { file_system, inode: found.stx_ino },
        kind: FileType::from_raw_mode(found.stx_mode.into()),
        device: makedev(found.stx_rdev_major, found.stx_rdev_minor),
    })
}
