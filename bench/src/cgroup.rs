//! The bench's own cgroups, and the programs attached to them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::sys;

/// A cgroup2 directory. It is the janitor who removes it.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    dir: File,
}

impl Cgroup {
    /// Makes a cgroup.
    pub fn create(path: PathBuf) -> anyhow::Result<Cgroup> {
        fs::create_dir(&path).with_context(|| format!("cgroup {}", path.display()))?;
        Cgroup::open(path)
    }

    /// Opens a cgroup that somebody else made.
    pub fn open(path: PathBuf) -> anyhow::Result<Cgroup> {
        let dir = File::open(&path).with_context(|| format!("cgroup {}", path.display()))?;
        Ok(Cgroup { path, dir })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process in.
    pub fn admit(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// The kernel's id for it.
    pub fn id(&self) -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt;
        Ok(self.dir.metadata()?.ino())
    }

    /// Ids of the programs attached.
    pub fn programs(&self) -> anyhow::Result<Vec<u32>> {
        Ok(sys::query(self.fd())?)
    }

    /// The one program attached.
    pub fn only_program(&self) -> anyhow::Result<u32> {
        match self.programs()?[..] {
            [id] => Ok(id),
            ref ids => bail!("{} has {} programs instead of one", self.path.display(), ids.len()),
        }
    }

    /// Makes this the only program attached; there is one at every moment.
    pub fn put_only(&self, program: BorrowedFd<'_>) -> anyhow::Result<()> {
        let own = sys::info(program)?.id;
        let before = self.programs()?;
        if !before.contains(&own) {
            sys::attach(self.fd(), program)?;
        }
        for id in before.into_iter().filter(|id| *id != own) {
            sys::detach(self.fd(), sys::open(id)?.as_fd())?;
        }
        Ok(())
    }
}

/// Ends every process of the cgroup and those below it, and removes them all.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    fs::write(path.join("cgroup.kill"), "1")?;
    for _ in 0..100 {
        match remove_dirs(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
    remove_dirs(path)
}

fn remove_dirs(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_dirs(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}
