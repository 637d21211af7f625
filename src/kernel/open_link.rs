//! An open bpf_link of a device program to a cgroup. Who holds one can change the program;
//! nobody can take it off through the cgroup's own list.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::link::Link;
use super::load::{Loaded, c_path};
use super::program::ProgId;
use super::sys;

/// A link of a device program to a cgroup. Unless it is pinned, it ends when this is dropped.
#[derive(Debug)]
pub struct OpenLink {
    fd: OwnedFd,
}

impl OpenLink {
    /// Links the program to the cgroup, beside whatever is attached there.
    ///
    /// # Errors
    /// EINVAL before Linux 5.7, EPERM without CAP_NET_ADMIN and CAP_BPF or beside an exclusive
    /// program, E2BIG if the cgroup's list is full.
    pub fn create(cgroup: BorrowedFd<'_>, program: &Loaded) -> nix::Result<OpenLink> {
        sys::link::link_create(cgroup, program.as_fd()).map(|fd| OpenLink { fd })
    }

    /// What is pinned at this path of a bpffs, and what it holds.
    ///
    /// # Errors
    /// ENOENT if nothing is; EINVAL if it is not a link of a device program.
    pub fn pinned_at(path: &Path) -> nix::Result<(OpenLink, Link)> {
        let link = OpenLink { fd: sys::obj_get(&c_path(path)?)? };
        link.describe().map(|described| (link, described))
    }

    fn describe(&self) -> nix::Result<Link> {
        // The kernel answers for programs and maps too. Where a link has its attach type, these
        // have an address that is 0 here or a name, and neither is 6.
        let info = sys::link_info(self.fd.as_fd())?;
        match (info.link_type, info.attach_type) {
            (sys::LINK_TYPE_CGROUP, sys::ATTACH_TYPE_CGROUP_DEVICE) => Ok(Link {
                id: info.id,
                program: ProgId::new(info.prog_id),
                cgroup_id: info.cgroup_id,
            }),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Puts `new` in the place of `old`, in one step.
    ///
    /// # Errors
    /// EPERM if the link holds another program than `old`, ENOLINK if its cgroup is gone, ENOENT
    /// if there is no program `old`.
    pub fn update(&self, new: &Loaded, old: ProgId) -> nix::Result<()> {
        let old = old.open()?;
        sys::link::link_update(self.fd.as_fd(), new.as_fd(), old.as_fd())
    }

    /// Takes the program off the cgroup at once. Without this the kernel does so a moment after
    /// the last pin and the last descriptor are gone.
    ///
    /// # Errors
    /// EINVAL before Linux 5.9, which cannot do this.
    pub fn detach(&self) -> nix::Result<()> {
        sys::link::link_detach(self.fd.as_fd())
    }

    /// Pins it, so that it lives on without a process that holds it.
    ///
    /// # Errors
    /// EEXIST if there is something at the path, EPERM if that is not on a bpffs.
    pub fn pin(&self, path: &Path) -> nix::Result<()> {
        sys::link::obj_pin(self.fd.as_fd(), &c_path(path)?)
    }
}
