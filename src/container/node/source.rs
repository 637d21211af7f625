//! A device node as a mount of its own, ready to be put anywhere.
//!
//! A node that is made in a tmpfs of a user namespace can't be opened (the tmpfs counts as
//! `nodev`), and mknod(2) is refused there. So the node is made on the host's side, in a tmpfs that
//! is mounted nowhere, and a mount of the node alone is what the container gets.

use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Uid, chownat, makedev, mknodat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsmount, fsopen, mount_change, move_mount, open_tree,
};

use super::super::init::Owner;
use super::error::{NodeError, call};
use super::spec::NodeSpec;

/// The node's name in its tmpfs, which nobody sees.
const NAME: &str = "node";

/// A mount of a new node, attached nowhere. May leave the calling thread in a mount namespace of
/// its own, so that has to be a thread that ends or goes on to another one.
pub(super) fn detached(spec: &NodeSpec, owner: Owner) -> Result<OwnedFd, NodeError> {
    let tmpfs = tmpfs()?;
    let kind = if spec.is_block() { FileType::BlockDevice } else { FileType::CharacterDevice };
    let device = makedev(spec.major(), spec.minor());
    let mode = Mode::from_raw_mode(spec.mode());
    mknodat(&tmpfs, NAME, kind, mode, device).map_err(call("mknodat of the node"))?;
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    chownat(&tmpfs, NAME, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(call("chownat of the node"))?;
    match clone(&tmpfs) {
        // Linux before 6.15 clones only what is in the caller's mount namespace.
        Err(Errno::INVAL) => {
            attach_privately(&tmpfs)?;
            clone(&tmpfs)
        }
        outcome => outcome,
    }
    .map_err(call("open_tree of the node"))
}

/// A tmpfs without `nodev` that is mounted nowhere.
fn tmpfs() -> Result<OwnedFd, NodeError> {
    let context =
        fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(call("fsopen of a tmpfs"))?;
    fsconfig_create(&context).map_err(call("fsconfig of a tmpfs"))?;
    // Nobody executes anything in it.
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags).map_err(call("fsmount of a tmpfs"))
}

fn clone(tmpfs: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    open_tree(tmpfs, NAME, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

/// Attaches the tmpfs in a new mount namespace of this thread, where nobody else sees it.
fn attach_privately(tmpfs: &OwnedFd) -> Result<(), NodeError> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(call("unshare of a mount namespace"))?;
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .map_err(call("mount of / as private"))?;
    move_mount(tmpfs, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(call("move_mount of a tmpfs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceType;
    use rustix::fs::{OFlags, fstat, openat};

    /// The way of older kernels, whatever kernel runs.
    #[test]
    fn a_node_is_cloned_from_a_private_namespace_too() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let spec = NodeSpec::new(DeviceType::Char, 1, 3).unwrap();
        let before = std::fs::read("/proc/self/mountinfo").unwrap();
        let node = std::thread::spawn(move || {
            let tmpfs = tmpfs().unwrap();
            let device = makedev(spec.major(), spec.minor());
            let mode = Mode::from_raw_mode(0o666);
            mknodat(&tmpfs, NAME, FileType::CharacterDevice, mode, device).unwrap();
            attach_privately(&tmpfs).unwrap();
            clone(&tmpfs).unwrap()
        });
        let node = node.join().unwrap();
        assert_eq!(fstat(&node).unwrap().st_rdev, makedev(1, 3));
        let opened = openat(&node, "", OFlags::RDONLY, Mode::empty());
        // A file has nothing below it.
        assert!(opened.is_err());
        assert_eq!(std::fs::read("/proc/self/mountinfo").unwrap(), before);
    }
}
