//! Why something is not observed.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

use crate::bpf::AssembleError;
use crate::bpffs::PinDirError;
use crate::cgroup::CgroupError;
use crate::kernel::LoadError;
use crate::verify::AllowsAllError;

/// Why something is not observed.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// A mistake in the observer's program: it can't be assembled.
    #[error("the observer can't be assembled")]
    Assemble(#[from] AssembleError),
    /// A mistake in the observer's program: it is not proven to allow everything.
    #[error("the observer is not proven harmless")]
    Proof(#[from] AllowsAllError),
    /// A size that makes no sense.
    #[error(
        "an observer needs room for 1 row and 1 container at least, and {limit} rows in all at most"
    )]
    Size {
        /// The most rows in all.
        limit: u32,
    },
    /// A map can't be made.
    #[error("the map {name} for {entries} entries can't be made: {}", map_error(*errno))]
    Map {
        /// Its name.
        name: &'static str,
        /// How many entries were asked for; for `events`, bytes.
        entries: u32,
        /// Why.
        errno: Errno,
    },
    /// The kernel refused the program.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The root cgroup: every open of the host would go through the observer.
    #[error("refusing the root cgroup ({}): every open of the host would be counted", .0.display())]
    Root(PathBuf),
    /// A cgroup can't be opened, or its id not be read.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The cgroups can't be listed.
    #[error("{} can't be listed", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The program can't be attached.
    #[error("cgroup {} can't be observed: {}", cgroup.display(), link_error(*errno))]
    Link {
        /// The cgroup.
        cgroup: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// Which programs run after the observer can't be told.
    #[error("which programs of cgroup {} run after the observer can't be told", cgroup.display())]
    Order {
        /// The cgroup.
        cgroup: PathBuf,
        /// Why.
        source: crate::kernel::QueryError,
    },
    /// The cgroup is in, or above, one that is observed: its requests would count twice.
    #[error("cgroup {} and {} are one in the other, so requests would be counted twice", cgroup.display(), other.display())]
    Nested {
        /// The cgroup.
        cgroup: PathBuf,
        /// One that is observed.
        other: PathBuf,
    },
    /// A map can't be read or changed.
    #[error("the map {name} can't be used")]
    Use {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// The directory of pins can't be used.
    #[error(transparent)]
    Directory(#[from] PinDirError),
    /// What is pinned is not a whole observer: somebody ended while it was pinned or removed.
    #[error("what is pinned in {} is not a whole observer", path.display())]
    Incomplete {
        /// The directory.
        path: PathBuf,
    },
    /// A pin can't be made.
    #[error("nothing can be pinned at {}", path.display())]
    Pin {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// A pin is not what it should be.
    #[error("the pin {} can't be used", path.display())]
    Pinned {
        /// The path.
        path: PathBuf,
        /// Why: EINVAL if it is something else.
        #[source]
        errno: Errno,
    },
    /// A pin can't be removed.
    #[error("the pin {} can't be removed", path.display())]
    Remove {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn map_error(errno: Errno) -> String {
    match errno {
        Errno::EPERM => {
            "no permission (CAP_BPF or CAP_SYS_ADMIN is needed; before Linux 5.11 also \
                         room in RLIMIT_MEMLOCK)"
                .to_owned()
        }
        errno => errno.to_string(),
    }
}

fn link_error(errno: Errno) -> String {
    match errno {
        Errno::EPERM => {
            "EPERM: an exclusive program is attached there or above, or CAP_NET_ADMIN is \
                         missing"
                .to_owned()
        }
        Errno::E2BIG => "E2BIG: too many programs are attached there".to_owned(),
        errno => errno.to_string(),
    }
}
