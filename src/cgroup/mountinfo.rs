//! Where cgroup2 is mounted: at /sys/fs/cgroup, at /sys/fs/cgroup/unified on hybrid hosts, or
//! elsewhere, perhaps showing only a part, perhaps hidden below another mount.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::{Cgroup, CgroupError};

/// A mount of cgroup2 (proc_pid_mountinfo(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u32,
    /// The part of the hierarchy that it shows.
    root: PathBuf,
    point: PathBuf,
}

/// Opens a cgroup by its path in the hierarchy, through the first mount that shows it.
pub(super) fn open(cgroup: &Path) -> Result<Cgroup, CgroupError> {
    let text = fs::read("/proc/self/mountinfo").map_err(CgroupError::Mounts)?;
    let mut failure = CgroupError::NotMounted { cgroup: cgroup.to_owned() };
    for mount in text.split(|byte| *byte == b'\n').filter_map(cgroup2_mount) {
        let Ok(below) = cgroup.strip_prefix(&mount.root) else { continue };
        // Joining nothing would add a slash.
        let path = match below.as_os_str().is_empty() {
            true => mount.point.clone(),
            false => mount.point.join(below),
        };
        match Cgroup::open(&path) {
            Ok(cgroup) if is_of_mount(&cgroup, mount.id) => return Ok(cgroup),
            // Another mount lies on top.
            Ok(_) | Err(CgroupError::NotCgroup2 { .. }) => {}
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Whether the directory was reached through the mount of this id. Where /proc does not tell,
/// the directory is taken as it is: that it is of cgroup2 is known.
fn is_of_mount(cgroup: &Cgroup, id: u32) -> bool {
    let path = format!("/proc/self/fdinfo/{}", cgroup.as_fd().as_raw_fd());
    let Ok(text) = fs::read_to_string(path) else { return true };
    let found = text.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    found.is_none_or(|found| found.trim().parse() == Ok(id))
}

fn cgroup2_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let root = unescape(fields.nth(2)?);
    let point = unescape(fields.next()?);
    // Optional fields end with a hyphen; the type follows it.
    let file_system = fields.skip_while(|field| *field != b"-").nth(1)?;
    (file_system == b"cgroup2").then_some(Mount { id, root, point })
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| byte == b'\\');
        let value = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        path.push(value.unwrap_or(byte));
        rest = match value {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
    }
    PathBuf::from(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup2_mounts_are_found_wherever_they_are() {
        let lines = [
            "34 24 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw",
            "35 24 0:29 /a\\040b /mnt/x\\134y rw - cgroup2 none rw,nsdelegate",
        ];
        let mounts: Vec<Mount> =
            lines.iter().filter_map(|line| cgroup2_mount(line.as_bytes())).collect();
        let mount = |id, root: &str, point: &str| Mount {
            id,
            root: PathBuf::from(root),
            point: PathBuf::from(point),
        };
        assert_eq!(
            mounts,
            [mount(34, "/", "/sys/fs/cgroup/unified"), mount(35, "/a b", "/mnt/x\\y")]
        );
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in
            ["", "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", "x", "1 2 3 4"]
        {
            assert_eq!(cgroup2_mount(line.as_bytes()), None, "{line}");
        }
    }
}
