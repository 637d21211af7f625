//! Why something is not recorded.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::name::{NameError, RecordingName};
use crate::bpffs::PinDirError;
use crate::cgroup::CgroupError;
use crate::container::StoreError;
use crate::observe::ObserveError;
use crate::run_dir::RunDirError;

/// Why something is not recorded.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// It can't be given the container's id for a name.
    #[error("the container's id can't name its recording: name one")]
    Name(#[source] NameError),
    /// A directory of devgate's can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A file can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cgroup can't be used.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The directory of pins can't be used.
    #[error(transparent)]
    Pins(#[from] PinDirError),
    /// The observer can't be loaded, attached, pinned or read.
    #[error("cgroup {}", cgroup.display())]
    Observe {
        /// The container's cgroup.
        cgroup: PathBuf,
        /// Why.
        source: ObserveError,
    },
    /// It is being recorded already, under another name.
    #[error("cgroup {} is being recorded already, as {name}", cgroup.display())]
    Already {
        /// The container's cgroup.
        cgroup: PathBuf,
        /// The recording.
        name: RecordingName,
    },
    /// There is nothing to stop.
    #[error("cgroup {} is not being recorded; see devgate record list", cgroup.display())]
    NotOngoing {
        /// The cgroup.
        cgroup: PathBuf,
    },
    /// There is no recording of this name.
    #[error("there is no recording {name} ({} does not exist); see devgate record list", path.display())]
    Unknown {
        /// The name.
        name: RecordingName,
        /// Its file.
        path: PathBuf,
    },
    /// It can't be removed while it goes on.
    #[error("recording {name} goes on in cgroup {} (devgate record stop ends it)", cgroup.display())]
    GoesOn {
        /// The recording.
        name: RecordingName,
        /// A cgroup that is recorded.
        cgroup: PathBuf,
    },
    /// The machine's boot can't be told.
    #[error("{BOOT_ID} can't be read")]
    Boot(#[source] io::Error),
}

/// It differs after each boot (random(4)).
pub(super) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
