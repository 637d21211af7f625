//! Which processes still have a device open. A program decides over opens, and an open descriptor
//! or a mapping keeps working.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;
use thiserror::Error;

use crate::cgroup::Cgroup;
use crate::device::DeviceType;

/// A process that has a device open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id in this process's pid namespace.
    pub pid: i32,
    /// The device.
    pub device: DeviceNumbers,
    /// Its name (proc_pid_comm(5)). It is chosen by the process, control characters and all.
    pub command: String,
    /// How it has the device open.
    pub hold: Hold,
}

/// A device, by its type and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceNumbers {
    /// Its type.
    pub device_type: DeviceType,
    /// Its major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
}

impl fmt::Display for DeviceNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.device_type, self.major, self.minor)
    }
}

/// How a device is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// By this descriptor.
    Descriptor(i32),
    /// By a mapping of its memory, at these addresses as /proc/PID/map_files has them.
    Mapping(String),
}

/// Why processes can't be looked through.
#[derive(Debug, Error)]
#[error("{} can't be read", path.display())]
pub struct HoldersError {
    /// The file or directory.
    path: PathBuf,
    /// Why.
    source: io::Error,
}

/// The processes in the cgroup and below it that have one of these devices open. What comes and goes
/// meanwhile may be missed, and so is what no process has by number: descriptors on their way
/// through a socket, and files that are registered with an io_uring.
///
/// # Errors
/// A list of processes can't be read. What can't be read of a single process that still runs is an
/// error, too.
pub fn holders(
    cgroup: &Cgroup,
    is_wanted: impl Fn(&DeviceNumbers) -> bool,
) -> Result<Vec<Holder>, HoldersError> {
    let mut pids = Vec::new();
    collect(cgroup.path(), &mut pids)?;
    pids.sort_unstable();
    pids.dedup();
    let mut holders = Vec::new();
    for pid in pids {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let holds = holds_of(&process, &is_wanted)?;
        let name = fs::read(process.join("comm")).unwrap_or_default();
        let command = String::from_utf8_lossy(name.trim_ascii_end()).into_owned();
        let holder = |(device, hold)| Holder { pid, device, command: command.clone(), hold };
        holders.extend(holds.into_iter().map(holder));
    }
    Ok(holders)
}

fn collect(cgroup: &Path, pids: &mut Vec<i32>) -> Result<(), HoldersError> {
    let file = cgroup.join("cgroup.procs");
    match fs::read_to_string(&file) {
        // 0 is a process outside of this pid namespace.
        Ok(text) => pids
            .extend(text.lines().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid > 0)),
        Err(error) if is_gone(&error) => return Ok(()),
        // A threaded cgroup: its processes are listed at the domain above it.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(source) => return Err(HoldersError { path: file, source }),
    }
    for (path, entry) in entries(cgroup)? {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&path, pids)?;
        }
    }
    Ok(())
}

/// The entries of a directory; none if that is gone.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, fs::DirEntry)>, HoldersError> {
    let failed = |source| HoldersError { path: dir.to_owned(), source };
    let read =
        || fs::read_dir(dir)?.map(|entry| entry.map(|entry| (entry.path(), entry))).collect();
    match read() {
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        outcome => outcome.map_err(failed),
    }
}

/// Whether the cgroup or process ended meanwhile.
fn is_gone(error: &io::Error) -> bool {
    let ended = [Errno::NOENT, Errno::SRCH, Errno::NODEV].map(|errno| errno.raw_os_error());
    error.raw_os_error().is_some_and(|errno| ended.contains(&errno))
}

/// A process's holds. Its threads may have descriptors of their own.
fn holds_of(
    process: &Path,
    is_wanted: &impl Fn(&DeviceNumbers) -> bool,
) -> Result<Vec<(DeviceNumbers, Hold)>, HoldersError> {
    let mut holds = Vec::new();
    for (task, _) in entries(&process.join("task"))? {
        let descriptors = names_in(&task.join("fd"), is_wanted)?;
        let numbered = descriptors
            .into_iter()
            .filter_map(|(device, fd)| fd.parse().ok().map(|fd| (device, Hold::Descriptor(fd))));
        holds.extend(numbered);
    }
    let mappings = names_in(&process.join("map_files"), is_wanted)?;
    holds.extend(mappings.into_iter().map(|(device, name)| (device, Hold::Mapping(name))));
    holds.sort_unstable();
    holds.dedup();
    Ok(holds)
}

/// The links in a directory of /proc that lead to one of the devices.
fn names_in(
    dir: &Path,
    is_wanted: &impl Fn(&DeviceNumbers) -> bool,
) -> Result<Vec<(DeviceNumbers, String)>, HoldersError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match openat(CWD, dir, flags, rustix::fs::Mode::empty()) {
        Ok(opened) => opened,
        Err(errno) if is_gone(&errno.into()) => return Ok(Vec::new()),
        Err(errno) => return Err(HoldersError { path: dir.to_owned(), source: errno.into() }),
    };
    let mut names = Vec::new();
    for (_, entry) in entries(dir)? {
        let Ok(name) = entry.file_name().into_string() else { continue };
        // The link's text may be anything; and no file system is asked, which could be the
        // container's own and never answer.
        let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let Ok(found) = statx(&opened, name.as_str(), flags, StatxFlags::TYPE) else {
            continue;
        };
        let device_type = match FileType::from_raw_mode(found.stx_mode.into()) {
            FileType::BlockDevice => DeviceType::Block,
            FileType::CharacterDevice => DeviceType::Char,
            _ => continue,
        };
        let (major, minor) = (found.stx_rdev_major, found.stx_rdev_minor);
        let device = DeviceNumbers { device_type, major, minor };
        if is_wanted(&device) {
            names.push((device, name));
        }
    }
    Ok(names)
}
