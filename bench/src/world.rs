//! Where everything happens: a private mount namespace with cgroup2 alone on /sys/fs/cgroup (as
//! on hosts without cgroup v1), a cgroup and a directory of the bench's own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

use crate::cgroup::Cgroup;
use crate::janitor::Janitor;

const MOUNT: &str = "/sys/fs/cgroup";
const BPFFS: &str = "/sys/fs/bpf";
const RUN_DIR: &str = "/run/devgate";

/// The bench's surroundings. All of it goes when this is dropped or the process ends.
#[derive(Debug)]
pub struct World {
    name: String,
    dir: PathBuf,
    _janitor: Janitor,
}

impl World {
    /// Sets everything up.
    pub fn set_up() -> anyhow::Result<World> {
        let name = format!("devgate-bench-{}", std::process::id());
        private_mounts().context("a mount namespace with cgroup2 (this needs root)")?;
        let dir = std::env::temp_dir().join(&name);
        let cgroup = Path::new(MOUNT).join(&name);
        // It comes first: whatever fails from here on is cleaned up.
        let janitor = Janitor::hire(&cgroup, &dir)?;
        fs::create_dir(&dir).with_context(|| format!("directory {}", dir.display()))?;
        Cgroup::create(cgroup)?;
        Ok(World { name, dir, _janitor: janitor })
    }

    /// A new directory.
    pub fn directory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.dir.join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// A path in the bench's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A new cgroup.
    pub fn cgroup(&self, name: &str) -> anyhow::Result<Cgroup> {
        Cgroup::create(self.cgroup_path(name))
    }

    /// Where a cgroup of this name is, as a path of the file system.
    pub fn cgroup_path(&self, name: &str) -> PathBuf {
        Path::new(MOUNT).join(&self.name).join(name)
    }

    /// The same as `linux.cgroupsPath` has it.
    pub fn cgroups_path(&self, name: &str) -> String {
        format!("/{}/{name}", self.name)
    }
}

fn private_mounts() -> nix::Result<()> {
    let none: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    umount2(MOUNT, MntFlags::MNT_DETACH)?;
    mount(Some("cgroup2"), MOUNT, Some("cgroup2"), MsFlags::empty(), none)?;
    // Pins and records of the bench's own, which end with its mount namespace.
    mount(none, BPFFS, Some("bpf"), MsFlags::empty(), none)?;
    if !Path::new(RUN_DIR).exists() {
        nix::unistd::mkdir(RUN_DIR, Mode::S_IRWXU)?;
    }
    mount(none, RUN_DIR, Some("tmpfs"), MsFlags::empty(), Some("mode=700"))
}
