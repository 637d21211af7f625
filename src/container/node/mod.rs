//! Device nodes in the /dev of a running container.
//!
//! A node is made outside of the container ([`source`]) and mounted on an empty file in its /dev
//! ([`dev`]), which works with and without a user namespace. The container may be paused, and has no
//! part in it.

mod dev;
mod error;
mod source;
mod spec;
mod thread;

pub use error::NodeError;
pub use spec::NodeSpec;

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, makedev};
use rustix::mount::{MoveMountFlags, move_mount};

use super::dev_path::DevPath;
use super::init::Init;
use super::made::{FileRef, MadeNode};
use dev::{Dev, Found, Way, describe};
use error::call;
use thread::Inside;

/// What making a node came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was made: this belongs into the record.
    New(MadeNode),
    /// The container has a node of this device at this path.
    AlreadyThere,
}

/// What removing a node came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was removed.
    Removed,
    /// It was not there: the container had taken it away.
    Missing,
    /// Something else is there, which stays.
    NotOurs,
}

/// Makes a device node in the container's /dev, and the directories that lead to it. It belongs to
/// the container's root. Nothing that is there is overwritten.
///
/// It takes a thread of its own for a moment, so any thread of a daemon may call this. From Linux
/// 6.15 on it takes about half a millisecond; before that it makes a mount namespace, too, which is
/// some milliseconds.
///
/// # Errors
/// The container has stopped, its /dev is not its own tmpfs, something else is at the path, the
/// way there is not plain directories, or a system call failed. Nothing is left behind.
pub fn make(init: &Init, spec: &NodeSpec, path: &DevPath) -> Result<Made, NodeError> {
    let dev = Dev::open(init)?;
    let device = makedev(spec.major(), spec.minor());
    let kind = if spec.is_block() { FileType::BlockDevice } else { FileType::CharacterDevice };
    match dev.look(path)? {
        Some(found) if (found.kind, found.device) == (kind, device) => {
            return Ok(Made::AlreadyThere);
        }
        Some(found) => {
            return Err(NodeError::Occupied { path: path.clone(), found: found.to_string() });
        }
        None => {}
    }
    let owner = init.root_owner()?;
    let namespace = init.mount_namespace()?;
    thread::run(|| {
        let node = source::detached(spec, owner)?;
        let inside = Inside::enter(&namespace, owner)?;
        attach(&dev, &node, path, &inside).map(Made::New)
    })
}

fn attach(
    dev: &Dev,
    node: &OwnedFd,
    path: &DevPath,
    inside: &Inside,
) -> Result<MadeNode, NodeError> {
    let way = dev.make_way(path)?;
    let directories = way.made();
    let file = match way.make_file() {
        Ok(file) => file,
        Err(error) => {
            way.undo();
            return Err(error);
        }
    };
    let mounted = mount_on(dev, &way, node, path, file, inside);
    if mounted.is_err() {
        // What failed first is what counts.
        let _ = way.remove(file, directories);
    }
    mounted.map(|node| MadeNode { path: path.clone(), node, file, directories })
}

/// Mounts the node on the file that was made for it, and sees it at the path.
fn mount_on(
    dev: &Dev,
    way: &Way<'_>,
    node: &OwnedFd,
    path: &DevPath,
    file: FileRef,
    inside: &Inside,
) -> Result<FileRef, NodeError> {
    let changed = || NodeError::Changed { path: path.clone() };
    let target = way.file()?;
    if describe(&target)?.file != file {
        return Err(changed());
    }
    let here = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(node, "", &target, "", here).map_err(call("move_mount of the node"))?;
    let made = describe(node)?.file;
    match dev.look(path) {
        Ok(Some(found)) if found.file == made => Ok(made),
        outcome => {
            inside.unmount(node)?;
            outcome.and_then(|_| Err(changed()))
        }
    }
}

/// Removes a node that [`make`] made, its file, and those of its directories that are empty.
/// Descriptors of it that are open stay open.
///
/// # Errors
/// The container has stopped, the way there is not plain directories any more, or a system call
/// failed.
pub fn remove(init: &Init, made: &MadeNode) -> Result<Removed, NodeError> {
    let dev = Dev::open(init)?;
    let owner = init.root_owner()?;
    let namespace = init.mount_namespace()?;
    thread::run(|| {
        let inside = Inside::enter(&namespace, owner)?;
        let Some(way) = dev.way(&made.path)? else { return Ok(Removed::Missing) };
        let Some(top) = way.top()? else { return Ok(Removed::Missing) };
        let found = describe(&top)?.file;
        let outcome = if found == made.node {
            inside.unmount(&top)?;
            Removed::Removed
        } else if found == made.file {
            // The container has unmounted it.
            Removed::Missing
        } else {
            return Ok(Removed::NotOurs);
        };
        way.remove(made.file, made.directories)?;
        Ok(outcome)
    })
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers = (rustix::fs::major(self.device), rustix::fs::minor(self.device));
        match self.kind {
            FileType::CharacterDevice => write!(f, "device c {}:{}", numbers.0, numbers.1),
            FileType::BlockDevice => write!(f, "device b {}:{}", numbers.0, numbers.1),
            FileType::Directory => f.write_str("a directory"),
            FileType::Symlink => f.write_str("a symbolic link"),
            FileType::RegularFile => f.write_str("a file"),
            FileType::Fifo => f.write_str("a FIFO"),
            FileType::Socket => f.write_str("a socket"),
            FileType::Unknown => f.write_str("of an unknown type"),
        }
    }
}
