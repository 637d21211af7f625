//! The file system of the machine that the hook is for: this one, or one staged below a prefix.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::InstallError;
use crate::files::{DOCUMENT_LIMIT, ReadError, read_regular};

/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Where that machine's `/` is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

/// Whether a link at the end of a path is followed, too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Follow,
    Keep,
}

impl Root {
    /// The machine below `prefix`, `/` for this one.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn new(prefix: &Path) -> Result<Root, InstallError> {
        let path = fs::canonicalize(prefix).and_then(|path| match path.is_dir() {
            true => Ok(path),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        path.map(Root).map_err(|error| unread(prefix, error.into()))
    }

    /// Where its `/` is here.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is this machine.
    pub fn is_here(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Where that machine's absolute `path` is here, links followed as that machine follows them:
    /// an absolute one stays below the prefix. What does not exist keeps its name.
    ///
    /// # Errors
    /// A link can't be followed.
    pub fn at(&self, path: &Path) -> Result<PathBuf, InstallError> {
        self.walk(path, Last::Follow).map(|way| way.end).map_err(|error| unread(path, error.into()))
    }

    /// The same, but for a link at the end: what is written or removed there is the link.
    ///
    /// # Errors
    /// A link can't be followed.
    pub fn place(&self, path: &Path) -> Result<PathBuf, InstallError> {
        self.walk(path, Last::Keep).map(|way| way.end).map_err(|error| unread(path, error.into()))
    }

    /// Every directory that is looked into on the way to that machine's `path`, and every link
    /// that is followed.
    ///
    /// # Errors
    /// A link can't be followed.
    pub fn way_to(&self, path: &Path) -> Result<Vec<PathBuf>, InstallError> {
        let way = self.walk(path, Last::Follow).map_err(|error| unread(path, error.into()))?;
        Ok(way.passed)
    }

    fn walk(&self, path: &Path, last: Last) -> io::Result<Way> {
        let mut way = Way { end: self.0.clone(), passed: Vec::new() };
        let mut names = components(path);
        let mut links = 0;
        while let Some(name) = names.pop_front() {
            if name == ".." {
                if way.end != self.0 {
                    way.end.pop();
                }
                continue;
            }
            way.passed.push(way.end.clone());
            let next = way.end.join(name);
            let follow = last == Last::Follow || !names.is_empty();
            if !(follow && next.is_symlink()) {
                way.end = next;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(nix::errno::Errno::ELOOP.into());
            }
            let target = fs::read_link(&next)?;
            way.passed.push(next);
            if target.is_absolute() {
                way.end.clone_from(&self.0);
            }
            for name in components(&target).into_iter().rev() {
                names.push_front(name);
            }
        }
        Ok(way)
    }

    /// What that machine calls the file that is here at `path`.
    pub fn name_of(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.0) {
            Ok(below) => Path::new("/").join(below),
            Err(_) => path.to_owned(),
        }
    }

    /// A file's bytes; none if there is no such file.
    ///
    /// # Errors
    /// It is there and can't be read, is no regular file, or has more than 16 MiB.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, InstallError> {
        read(&self.at(path)?, DOCUMENT_LIMIT)
    }
}

/// Where a path leads, and by which directories and links.
struct Way {
    end: PathBuf,
    passed: Vec<PathBuf>,
}

fn components(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    names.collect()
}

/// A file's bytes, `limit` at most; none if there is no such file here.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, InstallError> {
    match read_regular(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unread(path, error)),
    }
}

fn unread(path: &Path, source: ReadError) -> InstallError {
    InstallError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn machine() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path()).unwrap();
        fs::create_dir_all(root.path().join("usr/etc")).unwrap();
        (dir, root)
    }

    #[test]
    fn links_are_followed_as_that_machine_does() {
        let (_dir, root) = machine();
        let link = |target: &str, path: &str| symlink(target, root.path().join(path)).unwrap();
        link("/usr/etc", "etc");
        link("../../../../usr", "usr/up");
        // Whatever there is of that name here.
        link("/tmp/x.json", "usr/etc/dangling");
        let name = |path: &str| root.name_of(&root.at(Path::new(path)).unwrap());
        assert_eq!(name("/etc/containers/x.json"), Path::new("/usr/etc/containers/x.json"));
        assert_eq!(name("/usr/up/etc/new"), Path::new("/usr/etc/new"));
        assert_eq!(name("/none/at/../all"), Path::new("/none/all"));
        assert_eq!(name("/etc/dangling"), Path::new("/tmp/x.json"));
        let place = root.place(Path::new("/etc/dangling")).unwrap();
        assert_eq!(root.name_of(&place), Path::new("/usr/etc/dangling"));
        assert_eq!(root.read(Path::new("/etc/none")).unwrap(), None);
        let passed = root.way_to(Path::new("/etc/x")).unwrap();
        let names: Vec<PathBuf> = passed.iter().map(|path| root.name_of(path)).collect();
        assert_eq!(names, ["/", "/etc", "/", "/usr", "/usr/etc"].map(PathBuf::from));
    }

    #[test]
    fn links_without_end_are_an_error() {
        let (_dir, root) = machine();
        symlink("/loop", root.path().join("loop")).unwrap();
        assert!(root.at(Path::new("/loop")).is_err());
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let (_dir, root) = machine();
        let mode = nix::sys::stat::Mode::S_IRUSR;
        nix::unistd::mkfifo(&root.path().join("fifo"), mode).unwrap();
        let error = root.read(Path::new("/fifo")).unwrap_err();
        assert!(matches!(error, InstallError::Read { source: ReadError::NotAFile, .. }));
    }

    #[test]
    fn a_prefix_that_is_not_there_is_named() {
        let error = Root::new(Path::new("/no/such/place")).unwrap_err();
        assert_eq!(error.to_string(), "/no/such/place can't be read");
    }
}
