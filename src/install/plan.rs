//! What an installer would do to files, and doing it.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{InstallError, Root};

/// What becomes of a file that is not devgate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It stays, and that is an error.
    Refuse,
    /// It is overwritten.
    Overwrite,
}

/// What becomes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is as it should be.
    Unchanged,
    /// It is made.
    Create,
    /// It is replaced.
    Replace,
    /// It is removed.
    Remove,
}

/// One file's change.
#[derive(Clone, Debug)]
pub struct Change {
    path: PathBuf,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    mode: u32,
}

impl Change {
    /// The file at that machine's `path` gets this content; a new one gets this mode too.
    ///
    /// # Errors
    /// It is there, and is not `ours`.
    pub fn write(
        root: &Root,
        path: &Path,
        content: Vec<u8>,
        mode: u32,
        ours: impl Fn(&[u8]) -> bool,
        foreign: Foreign,
    ) -> Result<Change, InstallError> {
        let before = root.read(path)?;
        let path = root.at(path)?;
        let is_foreign = before.as_ref().is_some_and(|before| *before != content && !ours(before));
        if is_foreign && foreign == Foreign::Refuse {
            return Err(InstallError::Foreign { path });
        }
        Ok(Change { path, before, after: Some(content), mode })
    }

    /// The file at that machine's `path` is removed, if it is there and `ours`.
    ///
    /// # Errors
    /// It can't be read.
    pub fn remove(
        root: &Root,
        path: &Path,
        ours: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Change>, InstallError> {
        let before = root.read(path)?.filter(|before| ours(before));
        let path = root.at(path)?;
        Ok(before.map(|before| Change { path, before: Some(before), after: None, mode: 0 }))
    }

    /// The file, here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds now; none if it is not there.
    pub fn before(&self) -> Option<&[u8]> {
        self.before.as_deref()
    }

    /// What it is to hold; none if it is to go.
    pub fn after(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }

    /// What becomes of it.
    pub fn step(&self) -> Step {
        match (&self.before, &self.after) {
            (before, after) if before == after => Step::Unchanged,
            (None, _) => Step::Create,
            (_, Some(_)) => Step::Replace,
            (_, None) => Step::Remove,
        }
    }

    fn apply(&self) -> io::Result<()> {
        match (self.step(), &self.after) {
            (Step::Unchanged, _) => Ok(()),
            (_, Some(content)) => self.replace(content),
            (_, None) => fs::remove_file(&self.path),
        }
    }

    /// A reader sees the old file or the new one, and after a power cut too.
    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(dir)?;
        let mut file = NamedTempFile::new_in(dir)?;
        file.write_all(content)?;
        let mut mode = self.mode;
        if let Some(was) = self.before.as_ref().and_then(|_| fs::metadata(&self.path).ok()) {
            mode = was.mode();
            fchown(file.as_file(), Some(was.uid()), Some(was.gid()))?;
        }
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        fs::File::open(dir)?.sync_all()
    }
}

/// The files that change, in order, and what the operator has to know or do besides.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The files.
    pub changes: Vec<Change>,
    /// What to know or to do.
    pub notes: Vec<String>,
}

impl Plan {
    /// This plan, and then that one. A file that both write is written once.
    pub fn and(&mut self, other: Plan) {
        for change in other.changes {
            self.changes.retain(|own| own.path != change.path);
            self.changes.push(change);
        }
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// Does it, and tells of each file when it is done.
    ///
    /// # Errors
    /// [`InstallError::Write`]: what comes before that file in the plan is done.
    pub fn apply(&self, mut done: impl FnMut(&Change)) -> Result<(), InstallError> {
        for change in &self.changes {
            let failed = |source| InstallError::Write { path: change.path.clone(), source };
            change.apply().map_err(failed)?;
            done(change);
        }
        Ok(())
    }
}
