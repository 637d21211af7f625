//! A device node that devgate made in a container, as its record has it.

use serde::{Deserialize, Serialize};

use super::dev_path::DevPath;

/// A node that devgate made: a mount of it, on an empty file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeNode {
    /// Where it is in the container.
    pub path: DevPath,
    /// The node that is mounted there. Its file system is devgate's, and exists for as long as
    /// the mount does; so nothing else has these numbers while it is there.
    pub node: FileRef,
    /// The empty file below the mount.
    pub file: FileRef,
    /// How many of the directories that lead to it devgate made, counted from the innermost.
    pub directories: usize,
}

/// A file, by the numbers of stat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// The file system's device number, as makedev(3) has it.
    pub file_system: u64,
    /// The number of the file in it.
    pub inode: u64,
}
