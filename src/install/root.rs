//! The file system of the machine that the hook is for: this one, or one staged below a prefix.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::InstallError;
use crate::files::{DOCUMENT_LIMIT, Last, Node, ReadError, Tree, Way};

/// Where that machine's `/` is here. It is held, and all paths are followed below it by
/// descriptors: whatever others rename there meanwhile, nothing outside is read or written.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
    tree: Tree,
}

impl Root {
    /// The machine below `prefix`, `/` for this one.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn new(prefix: &Path) -> Result<Root, InstallError> {
        let tree = Tree::new(prefix).map_err(|error| unread(prefix, error.into()))?;
        let path = fs::read_link(tree.top().magic_link());
        let path = path.map_err(|error| unread(prefix, error.into()))?;
        Ok(Root { path, tree })
    }

    /// Where its `/` is here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is this machine.
    pub fn is_here(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Follows that machine's absolute `path` as that machine does: an absolute link stays below
    /// the prefix. What does not exist is no error.
    ///
    /// # Errors
    /// A link can't be followed.
    pub fn follow(&self, path: &Path, last: Last) -> Result<Way, InstallError> {
        self.tree.follow(path, last).map_err(|error| unread(path, error.into()))
    }

    /// What this machine calls the end of a way.
    pub fn here(&self, way: &Way) -> PathBuf {
        let path = way.path();
        self.path.join(path.strip_prefix("/").unwrap_or(&path))
    }

    /// Whether that machine's path leads to a regular file.
    pub fn is_file(&self, path: &Path) -> bool {
        self.is(path, Node::is_file)
    }

    /// Whether that machine's path leads to a directory.
    pub fn is_dir(&self, path: &Path) -> bool {
        self.is(path, Node::is_dir)
    }

    fn is(&self, path: &Path, kind: impl Fn(&Node) -> bool) -> bool {
        self.follow(path, Last::Follow).is_ok_and(|way| way.end().is_some_and(kind))
    }

    /// Whether both paths lead to the same name, whatever is there.
    pub fn is_same(&self, one: &Path, other: &Path) -> bool {
        let end = |path| self.follow(path, Last::Follow).ok().map(|way| way.path());
        one == other || end(one).is_some_and(|one| end(other) == Some(one))
    }

    /// The names in a directory; none if there is no such directory.
    ///
    /// # Errors
    /// It is there and can't be read.
    pub(super) fn names(&self, dir: &Path) -> Result<Vec<OsString>, InstallError> {
        let way = self.follow(dir, Last::Follow)?;
        let Some(node) = way.end() else { return Ok(Vec::new()) };
        let names = |entries: fs::ReadDir| entries.map(|entry| Ok(entry?.file_name())).collect();
        let names = fs::read_dir(node.magic_link()).and_then(names);
        names.map_err(|error| unread(&self.here(&way), error.into()))
    }

    /// A file's bytes; none if there is no such file.
    ///
    /// # Errors
    /// It is there and can't be read, is no regular file, or has more than 16 MiB.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, InstallError> {
        self.read_at(&self.follow(path, Last::Follow)?, DOCUMENT_LIMIT)
    }

    /// The bytes of the file at the end of a way, `limit` at most; none if there is no such file.
    pub(super) fn read_at(&self, way: &Way, limit: u64) -> Result<Option<Vec<u8>>, InstallError> {
        let bytes = way.end().map(|node| node.read(limit)).transpose();
        bytes.map_err(|error| unread(&self.here(way), error))
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
        let end = |path: &str, last| root.follow(Path::new(path), last).unwrap();
        let name = |path: &str| end(path, Last::Follow).path();
        assert_eq!(name("/etc/containers/x.json"), Path::new("/usr/etc/containers/x.json"));
        assert_eq!(name("/usr/up/etc/new"), Path::new("/usr/etc/new"));
        assert_eq!(name("/none/at/../all"), Path::new("/none/all"));
        assert_eq!(name("/etc/dangling"), Path::new("/tmp/x.json"));
        assert_eq!(end("/etc/dangling", Last::Keep).path(), Path::new("/usr/etc/dangling"));
        assert_eq!(root.here(&end("/etc", Last::Follow)), root.path().join("usr/etc"));
        assert_eq!(root.read(Path::new("/etc/none")).unwrap(), None);
    }

    #[test]
    fn links_without_end_are_an_error() {
        let (_dir, root) = machine();
        symlink("/loop", root.path().join("loop")).unwrap();
        assert!(root.follow(Path::new("/loop"), Last::Follow).is_err());
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
