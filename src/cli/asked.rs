//! What `check` is asked: a request, or a device by its path.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use devgate::device::{Access, DeviceType, Request};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{major, minor};

use super::complain;

/// A request, or a path and the access to what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Request(Request),
    Path { path: PathBuf, access: Access },
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Asked, String> {
        if !text.starts_with('/') {
            return text
                .parse()
                .map(Asked::Request)
                .map_err(|e: devgate::device::RequestError| e.to_string());
        }
        let (path, access) = text
            .rsplit_once(':')
            .ok_or_else(|| format!("{text:?} names no access (expected like /dev/null:rw)"))?;
        let access = match access {
            "-" => Access::NONE,
            letters => letters.parse().map_err(|error| format!("{text:?}: {error}"))?,
        };
        Ok(Asked::Path { path: PathBuf::from(path), access })
    }
}

impl Asked {
    /// The request: a path is looked up where the process sees it, or here without one.
    pub fn request(&self, process: Option<i32>) -> anyhow::Result<Request> {
        match self {
            Asked::Request(request) => Ok(*request),
            Asked::Path { path, access } => {
                let name = path.display().to_string();
                let node =
                    find(path, process).with_context(|| format!("{name}: can't be found"))?;
                let metadata = node.metadata().with_context(|| format!("{name}: can't be read"))?;
                let kind = metadata.file_type();
                let device_type = if kind.is_char_device() {
                    DeviceType::Char
                } else if kind.is_block_device() {
                    DeviceType::Block
                } else {
                    bail!("{name}: is not a device node");
                };
                Ok(Request {
                    device_type,
                    major: u32::try_from(major(metadata.rdev()))?,
                    minor: u32::try_from(minor(metadata.rdev()))?,
                    access: *access,
                })
            }
        }
    }
}

/// A device that the container has no node for may still be asked about, by the host's.
fn find(path: &Path, process: Option<i32>) -> anyhow::Result<File> {
    let found = open(path, process);
    if process.is_none() || found.is_ok() {
        return found;
    }
    let Ok(hosts) = open(path, None) else { return found };
    let name = path.display();
    complain(&format!("warning: {name} is not there for the process: taking the host's"));
    Ok(hosts)
}

/// Looks the node up without opening the device. A container's links lead where they lead for
/// it: its root is the root.
fn open(path: &Path, process: Option<i32>) -> anyhow::Result<File> {
    let root = match process {
        Some(pid) => format!("/proc/{pid}/root"),
        None => "/".to_owned(),
    };
    let root = File::open(&root).with_context(|| root.clone())?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT);
    Ok(File::from(openat2(&root, path, how)?))
}
