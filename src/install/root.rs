//! The file system of the machine that the hook is for: this one, or one staged below a prefix.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::InstallError;

/// Where that machine's `/` is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// The machine below `prefix`, `/` for this one.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn new(prefix: &Path) -> Result<Root, InstallError> {
        let path = fs::canonicalize(prefix);
        path.map(Root).map_err(|source| InstallError::Read { path: prefix.to_owned(), source })
    }

    /// Where its `/` is here.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is this machine.
    pub fn is_here(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Where that machine's absolute `path` is here. Symbolic links are followed as that machine
    /// follows them, so an absolute one stays below the prefix; what does not exist yet keeps
    /// its name.
    ///
    /// # Errors
    /// A link can't be followed.
    pub fn at(&self, path: &Path) -> Result<PathBuf, InstallError> {
        match self.followed(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match (path.parent(), path.file_name()) {
                    (Some(parent), Some(name)) => Ok(self.at(parent)?.join(name)),
                    _ => Err(InstallError::Read { path: path.to_owned(), source: error }),
                }
            }
            followed => {
                followed.map_err(|source| InstallError::Read { path: path.to_owned(), source })
            }
        }
    }

    fn followed(&self, path: &Path) -> io::Result<PathBuf> {
        if self.is_here() {
            return fs::canonicalize(path);
        }
        let root = File::open(&self.0)?;
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let file = openat2(&root, path, how)?;
        fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
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
    /// It is there and can't be read.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, InstallError> {
        let at = self.at(path)?;
        match fs::read(&at) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(InstallError::Read { path: at, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_as_that_machine_does() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path()).unwrap();
        fs::create_dir_all(root.path().join("usr/etc")).unwrap();
        symlink("/usr/etc", root.path().join("etc")).unwrap();
        symlink("../../../../usr", root.path().join("usr/up")).unwrap();
        let at = |path: &str| root.name_of(&root.at(Path::new(path)).unwrap());
        assert_eq!(at("/etc/containers/x.json"), Path::new("/usr/etc/containers/x.json"));
        assert_eq!(at("/usr/up/etc/new"), Path::new("/usr/etc/new"));
        assert_eq!(at("/none/at/all"), Path::new("/none/at/all"));
        assert_eq!(root.read(Path::new("/etc/none")).unwrap(), None);
    }

    #[test]
    fn a_prefix_that_is_not_there_is_named() {
        let error = Root::new(Path::new("/no/such/place")).unwrap_err();
        assert_eq!(error.to_string(), "/no/such/place can't be read");
    }
}
