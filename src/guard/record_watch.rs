//! Which records were written or removed: inotify(7) tells, so that none is read without a reason.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

use crate::container::{ContainerId, RecordStore};

/// Room for the events of one read(2): some 200 with the longest names that engines use.
const ROOM: usize = 1 << 14;

/// A watch on the directory of records.
#[derive(Debug)]
pub(super) struct RecordWatch {
    inotify: OwnedFd,
    dir: PathBuf,
    /// Which directory that was.
    inode: (u64, u64),
}

/// What changed since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// The records of these containers, and no other.
    These(BTreeSet<ContainerId>),
    /// Anything: events were lost, or the directory was replaced.
    Anything,
}

impl RecordWatch {
    pub fn new(dir: &Path) -> io::Result<RecordWatch> {
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        // A record is made by a rename, and somebody may write one by hand.
        let changes = WatchFlags::MOVE | WatchFlags::DELETE | WatchFlags::CLOSE_WRITE;
        add_watch(&inotify, dir, changes | WatchFlags::ONLYDIR)?;
        Ok(RecordWatch { inotify, dir: dir.to_owned(), inode: inode(dir)? })
    }

    pub fn changed(&self) -> io::Result<Changed> {
        // There is no event for the removal of a directory that somebody holds open, as we do.
        if inode(&self.dir).ok() != Some(self.inode) {
            return Ok(Changed::Anything);
        }
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut reader = Reader::new(&self.inotify, &mut room);
        let mut ids = BTreeSet::new();
        let end = ReadFlags::QUEUE_OVERFLOW | ReadFlags::IGNORED | ReadFlags::UNMOUNT;
        loop {
            match reader.next() {
                Ok(event) if event.events().intersects(end) => return Ok(Changed::Anything),
                Ok(event) => {
                    let name = event.file_name().and_then(|name| name.to_str().ok());
                    ids.extend(name.and_then(RecordStore::id_of));
                }
                Err(Errno::WOULDBLOCK) => return Ok(Changed::These(ids)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(names: &[&str]) -> Changed {
        Changed::These(names.iter().map(|name| name.parse().unwrap()).collect())
    }

    #[test]
    fn a_record_that_changes_is_named_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let watch = RecordWatch::new(dir.path()).unwrap();
        assert_eq!(watch.changed().unwrap(), these(&[]));
        fs::write(path(".new-1"), "").unwrap();
        fs::rename(path(".new-1"), path("a.json")).unwrap();
        fs::write(path("a.json"), "").unwrap();
        fs::write(path("b.lock"), "").unwrap();
        assert_eq!(watch.changed().unwrap(), these(&["a"]));
        assert_eq!(watch.changed().unwrap(), these(&[]));
        fs::remove_file(path("a.json")).unwrap();
        assert_eq!(watch.changed().unwrap(), these(&["a"]));
    }

    #[test]
    fn a_directory_that_goes_is_told() {
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("x");
        fs::create_dir(&dir).unwrap();
        let watch = RecordWatch::new(&dir).unwrap();
        let held = fs::File::open(&dir).unwrap();
        fs::remove_dir(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        drop(held);
        assert_eq!(watch.changed().unwrap(), Changed::Anything);
    }
}
