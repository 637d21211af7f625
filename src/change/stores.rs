//! Where records and kept grants are.

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::error::ChangeError;
use crate::container::{ContainerId, Kept, KeptStore, LIB_DIR, RecordStore, make_lib_dir};
use crate::run_dir::RunDir;

/// The records of this machine's containers, and their kept grants.
#[derive(Debug)]
pub struct Stores {
    /// `/run/devgate`.
    pub run: RunDir,
    /// The records.
    pub records: RecordStore,
    lib: PathBuf,
}

impl Stores {
    /// Those of the machine.
    ///
    /// # Errors
    /// [`ChangeError::NotRoot`], or a directory can't be used.
    pub fn open() -> Result<Stores, ChangeError> {
        match geteuid().is_root() {
            true => Stores::at(RunDir::open()?, Path::new(LIB_DIR)),
            false => Err(ChangeError::NotRoot),
        }
    }

    /// Those in other directories, for a test.
    ///
    /// # Errors
    /// A directory can't be used.
    pub fn at(run: RunDir, lib: &Path) -> Result<Stores, ChangeError> {
        let records = RecordStore::records(&run)?;
        Ok(Stores { run, records, lib: lib.to_owned() })
    }

    /// The containers for which something is kept.
    ///
    /// # Errors
    /// They can't be listed.
    pub fn kept_ids(&self) -> Result<Vec<ContainerId>, ChangeError> {
        match KeptStore::dir_in(&self.lib).exists() {
            true => Ok(KeptStore::kept(&self.lib)?.ids()?),
            false => Ok(Vec::new()),
        }
    }

    /// What is kept for a container; `None` if nothing is. Nothing is made to look for it.
    ///
    /// # Errors
    /// It can't be read.
    pub fn kept_of(&self, id: &ContainerId) -> Result<Option<Kept>, ChangeError> {
        kept_in(&self.lib, id)
    }

    /// The store of kept grants, which is made if need be.
    ///
    /// # Errors
    /// A directory can't be made, or others than root may use it.
    pub fn kept(&self) -> Result<KeptStore, ChangeError> {
        make_lib_dir(&self.lib)?;
        Ok(KeptStore::kept(&self.lib)?)
    }
}

/// What is kept for a container in this directory, which need not be there.
///
/// # Errors
/// It can't be read.
pub(super) fn kept_in(lib: &Path, id: &ContainerId) -> Result<Option<Kept>, ChangeError> {
    if !KeptStore::dir_in(lib).join(format!("{id}.json")).exists() {
        return Ok(None);
    }
    Ok(KeptStore::kept(lib)?.get(id)?)
}
