//! Why a container's policy is not changed.

use std::path::PathBuf;

use thiserror::Error;

use super::carry_out::asked;
use super::devices::DeviceError;
use crate::cgroup::CgroupError;
use crate::container::{
    ContainerError, DevPath, DevPathError, FindError, IdError, NodeError, StoreError, TimeError,
};
use crate::enforce::{EnforceError, PrepareError};
use crate::inspect::{InspectError, Other};
use crate::run_dir::RunDirError;

/// Why a container's policy is not changed: it is as it was, unless the error says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The caller is not root.
    #[error("only root may read and change the policies of containers")]
    NotRoot,
    /// A directory of devgate's can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A record, or what is kept, can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such container, or its cgroup can't be opened.
    #[error(transparent)]
    Find(#[from] FindError),
    /// Its cgroup can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Several containers' ids begin like this.
    #[error("several containers' ids begin with {beginning:?}: {}", ids.join(", "))]
    Ambiguous {
        /// The beginning.
        beginning: String,
        /// The ids.
        ids: Vec<String>,
    },
    /// No record is about this cgroup.
    #[error(
        "cgroup {} has no record, so its policy is not known: if it is a container's, that started \
         without the hook of this devgate; start it again with the hook, or `devgate guard --once \
         --found all` gives each container without a record one",
        cgroup.display()
    )]
    NoRecord {
        /// The cgroup.
        cgroup: PathBuf,
    },
    /// The container has stopped.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// An id that a container can't have.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A device can't be found.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Where a node should be is not below /dev.
    #[error("device {device}: {source}; --path says where the node goes, and --no-node makes none")]
    Path {
        /// The device, as it was named.
        device: String,
        /// Why.
        source: DevPathError,
    },
    /// Nothing says where a node should be.
    #[error(
        "device {device} has no name on this host: --path says where the node goes, and --no-node makes \
         none"
    )]
    NoName {
        /// The device, as it was named.
        device: String,
    },
    /// More than one device can't have a node.
    #[error("{device} is more than one device, and no node is made for it: add --no-node")]
    Many {
        /// The devices, as they were named.
        device: String,
    },
    /// Nothing would end a grant.
    #[error(
        "--for needs `devgate guard`, which ends a grant when its time has come: it does not run on this \
         machine (systemctl enable --now devgate-guard)"
    )]
    NoGuard,
    /// Its time would end after the year 9999.
    #[error("--for: the grant would end after the year 9999")]
    TooLong,
    /// A time is not one.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The new policy has no program.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The program is not attached.
    #[error(transparent)]
    Enforce(EnforceError),
    /// What else decides can't be told.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// Another program denies what was granted.
    #[error("{other} denies {} as well, so it can't be granted; nothing was changed", asked(&other.rule))]
    Denied {
        /// The program.
        other: Box<Other>,
    },
    /// The node can't be made.
    #[error("node {path}")]
    Node {
        /// Its path in the container.
        path: DevPath,
        /// Why.
        source: NodeError,
    },
}

impl From<EnforceError> for ChangeError {
    /// What failed after the program was attached is told as itself.
    fn from(error: EnforceError) -> ChangeError {
        match error {
            EnforceError::Abandoned(cause) => match cause.downcast::<ChangeError>() {
                Ok(own) => *own,
                Err(cause) => ChangeError::Enforce(EnforceError::Abandoned(cause)),
            },
            error => ChangeError::Enforce(error),
        }
    }
}
