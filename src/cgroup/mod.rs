//! cgroup2 directories: of a path, of a process, and what devgate must not touch.

mod place;
mod process;

pub use place::CgroupIds;
pub use process::{Process, ProcessError};

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
use nix::unistd::{AccessFlags, faccessat};
use thiserror::Error;

/// An open cgroup2 directory.
#[derive(Debug)]
pub struct Cgroup {
    dir: File,
    path: PathBuf,
    /// Its path in the hierarchy, as /proc/PID/cgroup would have it.
    name: PathBuf,
}

/// Why there is no cgroup2 directory.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// The directory is not there, or not any more.
    #[error("cgroup {} does not exist (any more)", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// It can't be opened.
    #[error("cgroup {} can't be opened", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is of another file system.
    #[error("{} is not a cgroup2 directory", path.display())]
    NotCgroup2 {
        /// The directory.
        path: PathBuf,
    },
    /// The process whose cgroup it is.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The list of mounts can't be read.
    #[error("/proc/self/mountinfo can't be read")]
    Mounts(#[source] io::Error),
    /// No mount of cgroup2 shows it.
    #[error("no cgroup2 mount shows cgroup {}", cgroup.display())]
    NotMounted {
        /// The cgroup, as /proc/PID/cgroup has it.
        cgroup: PathBuf,
    },
}

/// Why devgate keeps its hands off a cgroup.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The root cgroup: its devices are the host's.
    #[error(
        "refusing the root cgroup ({}): a program there would cut the host's own devices; the \
         container has no cgroup2 cgroup of its own",
        .0.display()
    )]
    Root(PathBuf),
    /// devgate's own cgroup or one above it.
    #[error(
        "refusing {}: it is the cgroup of this devgate or above it, so it is not the \
         container's own (podman --cgroups=disabled does that)",
        .0.display()
    )]
    Own(PathBuf),
    /// It is seen from a cgroup namespace whose root is elsewhere.
    #[error(
        "refusing {}: it is outside of this devgate's cgroup namespace, so it may be above its \
         own cgroup",
        .0.display()
    )]
    Outside(PathBuf),
    /// It is gone, or devgate's own cgroup can't be told.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

impl Cgroup {
    /// The cgroup2 directory at `path`.
    ///
    /// # Errors
    /// It does not exist, can't be opened, or is no cgroup2 directory.
    pub fn open(path: &Path) -> Result<Cgroup, CgroupError> {
        let dir = open_dir(path)?;
        let name = place::name_of(&dir, path)?;
        Ok(Cgroup { dir, path: path.to_owned(), name })
    }

    /// The cgroup2 directory of the process with this id on the host. The answer is of the
    /// process that had the id when this was called, or an error.
    ///
    /// # Errors
    /// There is no such process, it has exited, or no mount shows its cgroup.
    pub fn of_process(pid: i32) -> Result<Cgroup, CgroupError> {
        Cgroup::of(&Process::pin(pid)?)
    }

    /// The cgroup2 directory of the process.
    ///
    /// # Errors
    /// It has exited, or no mount shows its cgroup.
    pub fn of(process: &Process) -> Result<Cgroup, CgroupError> {
        place::open(process.cgroup_name()?)
    }

    /// Checks that the process, whose cgroup this was, lives and is in it still.
    ///
    /// # Errors
    /// [`ProcessError::Moved`] or [`ProcessError::Exited`].
    pub fn has(&self, process: &Process) -> Result<(), CgroupError> {
        Ok(process.is_in(&self.name)?)
    }

    /// The cgroup2 directory with this id, wherever it is; `None` if it was removed. Ids are not
    /// used twice.
    ///
    /// # Errors
    /// No cgroup2 is mounted, or the caller may not look for it (CAP_DAC_READ_SEARCH).
    pub fn of_id(id: u64) -> Result<Option<Cgroup>, CgroupError> {
        place::of_id(id)
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path in the hierarchy, as /proc/PID/cgroup has it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// How far it is below the root of the hierarchy, which is at 0; `None` if this is not seen,
    /// from a cgroup namespace.
    pub fn level(&self) -> Option<i32> {
        // PROC_CGROUP_INIT_INO of linux/proc_ns.h: the namespace that all others are in.
        const INITIAL: &str = "cgroup:[4026531835]";
        let own = std::fs::read_link("/proc/self/ns/cgroup").ok()?;
        let depth = || i32::try_from(self.name.components().count().checked_sub(1)?).ok();
        (own.as_os_str() == INITIAL).then(depth)?
    }

    /// The cgroup above it, as long as a cgroup2 mount shows that.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn parent(&self) -> Result<Option<Cgroup>, CgroupError> {
        self.above().next().transpose()
    }

    /// The cgroups above it, outwards, as long as a cgroup2 mount shows them. Each is opened when it
    /// is asked for.
    pub fn above(&self) -> impl Iterator<Item = Result<Cgroup, CgroupError>> {
        let names = self.name.ancestors().skip(1);
        names.map_while(|name| match place::open(name.to_owned()) {
            Err(CgroupError::NotMounted { .. }) => None,
            cgroup => Some(cgroup),
        })
    }

    /// Whether it is this cgroup, or one below it.
    pub fn is_at_or_below(&self, other: &Cgroup) -> bool {
        self.name.starts_with(&other.name)
    }

    /// Whether it is the root of the whole hierarchy: the one cgroup without a `cgroup.type`
    /// (cgroup-v2.rst, "Core Interface Files").
    ///
    /// # Errors
    /// It was removed.
    pub fn is_root(&self) -> Result<bool, CgroupError> {
        match self.has_file("cgroup.type") {
            Ok(()) => Ok(false),
            // In a removed cgroup no file is left at all.
            Err(Errno::ENOENT) => match self.has_file("cgroup.procs") {
                Ok(()) => Ok(true),
                Err(_) => Err(CgroupError::Missing { path: self.path.clone() }),
            },
            Err(errno) => Err(CgroupError::Open { path: self.path.clone(), source: errno.into() }),
        }
    }

    fn has_file(&self, file: &str) -> nix::Result<()> {
        faccessat(&self.dir, file, AccessFlags::F_OK, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    fn metadata(&self) -> Result<std::fs::Metadata, CgroupError> {
        let path = self.path.clone();
        self.dir.metadata().map_err(|source| CgroupError::Open { path, source })
    }

    /// The kernel's id of the cgroup: the inode number of its directory.
    ///
    /// # Errors
    /// It can't be told.
    pub fn id(&self) -> Result<u64, CgroupError> {
        self.metadata().map(|metadata| metadata.ino())
    }

    /// The outermost cgroup that is seen from here.
    ///
    /// # Errors
    /// No cgroup2 is mounted.
    pub fn top() -> Result<Cgroup, CgroupError> {
        place::open(PathBuf::from("/"))
    }

    /// Refuses the root cgroup, the caller's own and each above that.
    ///
    /// # Errors
    /// Which of these it is.
    pub fn guard(&self) -> Result<(), Refusal> {
        if self.is_root()? {
            return Err(Refusal::Root(self.path.clone()));
        }
        if self.name.components().any(|part| part == Component::ParentDir) {
            return Err(Refusal::Outside(self.path.clone()));
        }
        let own = process::cgroup2_of_self().map_err(CgroupError::from)?;
        match own.starts_with(&self.name) {
            true => Err(Refusal::Own(self.path.clone())),
            false => Ok(()),
        }
    }
}

/// Opens a directory of cgroup2.
fn open_dir(path: &Path) -> Result<File, CgroupError> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let opened = File::options().read(true).custom_flags(flags.bits()).open(path);
    let path = || path.to_owned();
    match opened.and_then(|dir| Ok((fstatfs(&dir)?.filesystem_type(), dir))) {
        Ok((CGROUP2_SUPER_MAGIC, dir)) => Ok(dir),
        Ok(_) => Err(CgroupError::NotCgroup2 { path: path() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(CgroupError::Missing { path: path() })
        }
        Err(source) => Err(CgroupError::Open { path: path(), source }),
    }
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}
