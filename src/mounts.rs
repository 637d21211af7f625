//! Mounts of one file system type (proc_pid_mountinfo(5)), and files of /proc.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its id, which `/proc/self/fdinfo` gives for each descriptor.
    pub id: u32,
    /// The part of the file system that it shows.
    pub root: PathBuf,
    /// Where it is.
    pub point: PathBuf,
}

/// The mounts of this file system type, in the kernel's order.
///
/// # Errors
/// /proc/self/mountinfo can't be read.
pub fn of_type(file_system: &str) -> io::Result<Vec<Mount>> {
    let text = read_proc("/proc/thread-self/mountinfo".as_ref())?;
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| mount(line, file_system.as_bytes())).collect())
}

/// Room for a file of /proc at first, in bytes.
const FIRST_READ: usize = 1 << 12;

/// A file system as a mount shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem<'t> {
    /// The mount's id.
    pub mount: u32,
    /// The file system's device number: major and minor of its files' `st_dev`.
    pub device: (u32, u32),
    /// Its type.
    pub name: &'t str,
}

/// The file systems in the text of a mountinfo. A line that is not one is left out.
pub fn file_systems(mountinfo: &[u8]) -> impl Iterator<Item = FileSystem<'_>> {
    mountinfo.split(|byte| *byte == b'\n').filter_map(file_system)
}

fn file_system(line: &[u8]) -> Option<FileSystem<'_>> {
    let mut fields = line.split(|byte| *byte == b' ').map(std::str::from_utf8);
    let mount = fields.next()?.ok()?.parse().ok()?;
    let (major, minor) = fields.nth(1)?.ok()?.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let name = fields.skip_while(|field| *field != Ok("-")).nth(1)?.ok()?;
    Some(FileSystem { mount, device, name })
}

/// A file of /proc: these have no size, so none is asked for.
///
/// # Errors
/// It can't be opened or read.
pub fn read_proc(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    read_until(|read, _| read == 0, |text, _| (&file).read(text))
}

/// A file of /proc that the kernel writes as one piece, anew whenever it is read from the start:
/// a read that leaves room is the last.
///
/// # Errors
/// It can't be read.
pub fn read_piece(file: &File) -> io::Result<Vec<u8>> {
    read_until(|_, room| room > 0, |text, offset| file.read_at(text, offset))
}

/// Reads until `is_last` says so of the bytes just read and the room that they left.
fn read_until(
    is_last: impl Fn(usize, usize) -> bool,
    read: impl Fn(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<Vec<u8>> {
    let mut text = vec![0; FIRST_READ];
    let mut length = 0;
    loop {
        let count = match read(&mut text[length..], length as u64) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        };
        length += count;
        if is_last(count, text.len() - length) {
            text.truncate(length);
            return Ok(text);
        }
        if length == text.len() {
            text.resize(length * 2, 0);
        }
    }
}

/// A number that /proc/self/fdinfo has of a descriptor, by its key with the colon; `None` where
/// it has none.
pub fn fdinfo<N: FromStr>(descriptor: &impl AsRawFd, key: &str) -> Option<N> {
    let file = File::open(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd())).ok()?;
    let text = read_piece(&file).ok()?;
    let mut lines = text.split(|byte| *byte == b'\n');
    let number = lines.find_map(|line| line.strip_prefix(key.as_bytes()))?;
    std::str::from_utf8(number).ok()?.trim().parse().ok()
}

fn mount(line: &[u8], wanted: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let root = unescape(fields.nth(2)?);
    let point = unescape(fields.next()?);
    // Optional fields end with a hyphen; the type follows it.
    let file_system = fields.skip_while(|field| *field != b"-").nth(1)?;
    (file_system == wanted).then_some(Mount { id, root, point })
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

    fn cgroup2(line: &str) -> Option<Mount> {
        mount(line.as_bytes(), b"cgroup2")
    }

    #[test]
    fn mounts_are_found_wherever_they_are() {
        let lines = [
            "34 24 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw",
            "35 24 0:29 /a\\040b /mnt/x\\134y rw - cgroup2 none rw,nsdelegate",
        ];
        let mounts: Vec<Mount> = lines.iter().filter_map(|line| cgroup2(line)).collect();
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
    fn file_systems_have_their_device_numbers() {
        let text =
            b"34 24 0:29 /a /m\xff rw shared:9 - tmpfs t rw\nx\n35 24 254:1 / / rw - ext4 e rw";
        let found: Vec<FileSystem<'_>> = file_systems(text).collect();
        let file_system = |mount, device, name| FileSystem { mount, device, name };
        assert_eq!(found, [file_system(34, (0, 29), "tmpfs"), file_system(35, (254, 1), "ext4")]);
    }

    #[test]
    fn a_text_longer_than_the_first_read_is_read_whole() {
        use std::io::Write;
        for length in [0, FIRST_READ - 1, FIRST_READ, FIRST_READ * 5] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&vec![b'x'; length]).unwrap();
            assert_eq!(read_proc(file.path()).unwrap().len(), length);
            assert_eq!(read_piece(file.as_file()).unwrap().len(), length);
        }
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in
            ["", "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", "x", "1 2 3 4"]
        {
            assert_eq!(cgroup2(line), None, "{line}");
        }
    }
}
