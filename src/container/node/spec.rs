//! Which node is made.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::error::NodeError;
use crate::device::DeviceType;

/// What the runtimes use where config.json has no `fileMode`.
const DEFAULT_MODE: u32 = 0o666;

/// Of Linux device numbers.
const LAST_MAJOR: u32 = (1 << 12) - 1;
const LAST_MINOR: u32 = (1 << 20) - 1;

/// A device node to be made: type, numbers and permissions. It belongs to the container's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    device_type: DeviceType,
    major: u32,
    minor: u32,
    mode: u32,
}

impl NodeSpec {
    /// A node of a device with these numbers. Everybody in the container may read and write it, as
    /// with runtimes where nothing else is asked for: the device program decides.
    ///
    /// # Errors
    /// Linux has no such device number.
    pub fn new(device_type: DeviceType, major: u32, minor: u32) -> Result<NodeSpec, NodeError> {
        match major <= LAST_MAJOR && minor <= LAST_MINOR {
            true => Ok(NodeSpec { device_type, major, minor, mode: DEFAULT_MODE }),
            false => Err(NodeError::Numbers { major, minor }),
        }
    }

    /// A node like the host's, links followed: its device and its permissions, as engines make it
    /// for `--device`.
    ///
    /// # Errors
    /// There is no device node.
    pub fn like(path: &Path) -> io::Result<NodeSpec> {
        let metadata = std::fs::metadata(path)?;
        let device_type = match metadata.file_type() {
            kind if kind.is_char_device() => DeviceType::Char,
            kind if kind.is_block_device() => DeviceType::Block,
            _ => return Err(io::Error::other("not a device node")),
        };
        let device = metadata.rdev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        Ok(NodeSpec { device_type, major, minor, mode: metadata.mode() & 0o777 })
    }

    /// The same node with these permissions, of which the lower nine bits count.
    pub fn with_mode(self, mode: u32) -> NodeSpec {
        NodeSpec { mode: mode & 0o777, ..self }
    }

    /// Its device's type.
    pub fn device_type(&self) -> DeviceType {
        self.device_type
    }

    /// Its device's major number.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Its device's minor number.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// Its permissions.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    pub(super) fn is_block(&self) -> bool {
        self.device_type == DeviceType::Block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_like_the_hosts() {
        let null = NodeSpec::like(Path::new("/dev/null")).unwrap();
        assert_eq!(null, NodeSpec::new(DeviceType::Char, 1, 3).unwrap());
        assert_eq!(null.with_mode(0o100_640).mode(), 0o640);
        assert!(NodeSpec::like(Path::new("/")).is_err());
    }

    #[test]
    fn numbers_beyond_linuxs_are_refused() {
        assert!(NodeSpec::new(DeviceType::Block, 4095, 1_048_575).is_ok());
        for (major, minor) in [(4096, 0), (0, 1_048_576), (u32::MAX, u32::MAX)] {
            let error = NodeSpec::new(DeviceType::Char, major, minor).unwrap_err();
            assert!(matches!(error, NodeError::Numbers { .. }));
        }
    }
}
