//! cgroup2 directories: of a path, of a process, and what devgate must not touch.

mod mountinfo;
mod process;

pub use process::ProcessError;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
use nix::unistd::{AccessFlags, faccessat};
use thiserror::Error;

/// An open cgroup2 directory.
#[derive(Debug)]
pub struct Cgroup {
    dir: File,
    path: PathBuf,
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
    /// devgate's own cgroup can't be told.
    #[error("the cgroup of this devgate can't be told")]
    Unknown(#[from] CgroupError),
}

impl Cgroup {
    /// The cgroup2 directory at `path`.
    ///
    /// # Errors
    /// It does not exist, can't be opened, or is no cgroup2 directory.
    pub fn open(path: &Path) -> Result<Cgroup, CgroupError> {
        let path = path.to_owned();
        let opened = File::options()
            .read(true)
            .custom_flags((OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).bits())
            .open(&path);
        match opened {
            Ok(dir) => Cgroup::of_dir(dir, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(CgroupError::Missing { path })
            }
            Err(source) => Err(CgroupError::Open { path, source }),
        }
    }

    fn of_dir(dir: File, path: PathBuf) -> Result<Cgroup, CgroupError> {
        match fstatfs(&dir) {
            Ok(stat) if stat.filesystem_type() == CGROUP2_SUPER_MAGIC => Ok(Cgroup { dir, path }),
            Ok(_) => Err(CgroupError::NotCgroup2 { path }),
            Err(errno) => Err(CgroupError::Open { path, source: errno.into() }),
        }
    }

    /// The cgroup2 directory of the process with this id on the host. The answer is of the
    /// process that had the id when this was called, or an error.
    ///
    /// # Errors
    /// There is no such process, it has exited, or no mount shows its cgroup.
    pub fn of_process(pid: i32) -> Result<Cgroup, CgroupError> {
        let cgroup = process::cgroup2_of(pid)?;
        mountinfo::open(&cgroup)
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The cgroup above it, as long as a cgroup2 mount shows that.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn parent(&self) -> Result<Option<Cgroup>, CgroupError> {
        if self.is_root()? {
            return Ok(None);
        }
        let path = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match openat(&self.dir, "..", flags, Mode::empty()) {
            Ok(dir) => match Cgroup::of_dir(File::from(dir), path) {
                Ok(parent) => Ok(Some(parent)),
                // The mount ends here.
                Err(CgroupError::NotCgroup2 { .. }) => Ok(None),
                Err(error) => Err(error),
            },
            // A removed cgroup has nothing above it.
            Err(Errno::ENOENT) => Err(CgroupError::Missing { path: self.path.clone() }),
            Err(errno) => Err(CgroupError::Open { path, source: errno.into() }),
        }
    }

    /// Whether it is the root of the whole hierarchy: the one cgroup without a `cgroup.type`
    /// (cgroup-v2.rst, "Core Interface Files").
    fn is_root(&self) -> Result<bool, CgroupError> {
        let found =
            faccessat(&self.dir, "cgroup.type", AccessFlags::F_OK, AtFlags::AT_SYMLINK_NOFOLLOW);
        match found {
            Ok(()) => Ok(false),
            // In a removed cgroup no file is left, but then it has no links either.
            Err(Errno::ENOENT) if self.metadata()?.nlink() == 0 => {
                Err(CgroupError::Missing { path: self.path.clone() })
            }
            Err(Errno::ENOENT) => Ok(true),
            Err(errno) => Err(CgroupError::Open { path: self.path.clone(), source: errno.into() }),
        }
    }

    fn metadata(&self) -> Result<std::fs::Metadata, CgroupError> {
        let path = self.path.clone();
        self.dir.metadata().map_err(|source| CgroupError::Open { path, source })
    }

    fn identity(&self) -> Result<(u64, u64), CgroupError> {
        self.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
    }

    /// Refuses the root cgroup, the caller's own and each above that.
    ///
    /// # Errors
    /// Which of these it is.
    pub fn guard(&self) -> Result<(), Refusal> {
        if self.is_root()? {
            return Err(Refusal::Root(self.path.clone()));
        }
        let own = match process::cgroup2_of_self() {
            Ok(cgroup) => mountinfo::open(&cgroup),
            Err(error) => Err(error.into()),
        };
        let mut next = match own {
            Ok(own) => Some(own),
            // What no mount shows is neither this cgroup nor one below it.
            Err(CgroupError::NotMounted { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let this = self.identity()?;
        while let Some(cgroup) = next {
            if cgroup.identity()? == this {
                return Err(Refusal::Own(self.path.clone()));
            }
            next = cgroup.parent()?;
        }
        Ok(())
    }
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}
