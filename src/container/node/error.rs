//! What can go wrong with a node in a container.

use std::io;

use thiserror::Error;

use super::super::dev_path::DevPath;
use super::super::init::InitError;

/// Why there is no node, or why it was not removed. The container's /dev is as it was before,
/// unless the container itself changed it meanwhile.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The container's process can't be used.
    #[error(transparent)]
    Init(#[from] InitError),
    /// Linux has no such device numbers.
    #[error("{major}:{minor} is beyond every Linux device number (at most 4095:1048575)")]
    Numbers {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A step outside of the container's files failed.
    #[error("{call} failed")]
    Call {
        /// The system call, and what it was for.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The container's /dev can't be opened. ELOOP: it is a symbolic link.
    #[error("the container's /dev can't be opened")]
    Dev(#[source] io::Error),
    /// Its /dev is a part of something else, which nodes must not be made in.
    #[error("the container's /dev is on {file_system}, not a tmpfs of its own")]
    NotOwn {
        /// The file system's type.
        file_system: String,
    },
    /// Its /dev is mounted on the host, too: what is made in it would be made there.
    #[error("the container's /dev is mounted on the host, too")]
    Host,
    /// A link leads away from /dev, or somewhere else in it.
    #[error("a symbolic link is on the way to the container's {path}")]
    Link {
        /// The node's path.
        path: DevPath,
    },
    /// A directory on the way is another mount, a volume say.
    #[error("another mount is on the way to the container's {path}")]
    Mount {
        /// The node's path.
        path: DevPath,
    },
    /// Something else is there.
    #[error("the container's {path} is there already: {found}")]
    Occupied {
        /// The node's path.
        path: DevPath,
        /// What it is.
        found: String,
    },
    /// The container changed its /dev meanwhile. It may be tried again.
    #[error("the container changed the way to its {path} meanwhile")]
    Changed {
        /// The node's path.
        path: DevPath,
    },
    /// Something on the way can't be opened or made.
    #[error("the container's {path} can't be {done}")]
    Path {
        /// The node's path.
        path: DevPath,
        /// What was tried.
        done: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// For `map_err` of a system call.
pub(super) fn call<E: Into<io::Error>>(call: &'static str) -> impl FnOnce(E) -> NodeError {
    move |source| NodeError::Call { call, source: source.into() }
}
