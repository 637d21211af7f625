//! Work in a container's mount namespace, on a thread that ends after it.
//!
//! A thread enters a mount namespace alone once it shares no root directory with the others
//! (setns(2), CLONE_FS). There every path is the container's: no path is used but those that are
//! looked up from a descriptor, and the host's /proc is reached by one that was opened before.

use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::resume_unwind;
use std::thread;

use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, fchdir, setfsgid, setfsuid};
use rustix::fs::{CWD, OFlags, openat};

use super::super::init::Owner;
use super::error::{NodeError, call};

/// Runs `work` on a thread with a root directory, working directory and umask of its own.
pub(super) fn run<R: Send>(
    work: impl FnOnce() -> Result<R, NodeError> + Send,
) -> Result<R, NodeError> {
    thread::scope(|scope| {
        let body = || {
            unshare(CloneFlags::CLONE_FS).map_err(call("unshare of the working directory"))?;
            umask(Mode::empty());
            work()
        };
        let thread = thread::Builder::new().name("container".to_owned()).spawn_scoped(scope, body);
        let thread = thread.map_err(call("clone of a thread"))?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// The calling thread is in a container's mount namespace, and what it makes belongs to the
/// container's root.
pub(super) struct Inside(());

impl Inside {
    /// Enters the namespace.
    pub(super) fn enter(namespace: &OwnedFd, owner: Owner) -> Result<Inside, NodeError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptors = openat(CWD, "/proc/self/fd", flags, rustix::fs::Mode::empty())
            .map_err(call("open of /proc/self/fd"))?;
        setns(namespace, CloneFlags::CLONE_NEWNS).map_err(call("setns"))?;
        // setns led to the container's root directory.
        fchdir(&descriptors).map_err(call("fchdir to /proc/self/fd"))?;
        set_owner(owner)?;
        Ok(Inside(()))
    }

    /// Unmounts the mount that the descriptor stands for, wherever it is by now. Files of it that
    /// are open stay open.
    pub(super) fn unmount(&self, mount: &OwnedFd) -> Result<(), NodeError> {
        // The working directory is the host's /proc/self/fd.
        let name = mount.as_raw_fd().to_string();
        umount2(name.as_str(), MntFlags::MNT_DETACH).map_err(call("umount of the node"))
    }
}

/// A file in a tmpfs of a user namespace can only be made by an id of that (EOVERFLOW).
fn set_owner(owner: Owner) -> Result<(), NodeError> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    setfsgid(gid);
    setfsuid(uid);
    // setfsuid(2) returns the former id and no error: ask once more.
    match setfsgid(gid) == gid && setfsuid(uid) == uid {
        true => Ok(()),
        false => Err(call("setfsuid")(nix::errno::Errno::EPERM)),
    }
}
