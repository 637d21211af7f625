//! Grants that apply again after a restart of the container: `/var/lib/devgate/kept/ID.json`.
//! They are kept by the container's id, which engines keep over a restart, until `revoke` or
//! `forget` removes them.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::grant::Grant;
use super::id::ContainerId;
use super::store::{Store, StoreError, Stored, Version};
use crate::run_dir::{RunDir, RunDirError};

/// Where state is that outlives a boot (file-hierarchy(7)).
pub const LIB_DIR: &str = "/var/lib/devgate";

/// Makes that directory, here at `lib`, if there is none. It is anybody's to read: logs are there, too.
///
/// # Errors
/// It can't be made.
pub fn make_lib_dir(lib: &Path) -> Result<(), RunDirError> {
    match DirBuilder::new().mode(0o755).create(lib) {
        Err(source) if source.kind() != ErrorKind::AlreadyExists => {
            Err(RunDirError::Make { path: lib.to_owned(), source })
        }
        _ => Ok(()),
    }
}

const VERSION: u32 = 1;

/// The kept grants of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    version: Version<VERSION>,
    id: ContainerId,
    /// In the order in which they apply. The nodes of an earlier run are not among them.
    pub grants: Vec<Grant>,
}

impl Stored for Kept {
    const VERSION: u32 = VERSION;
    const WHAT: &'static str = "container";
    type Id = ContainerId;

    fn id(&self) -> &ContainerId {
        &self.id
    }
}

/// The kept grants of this machine's containers.
pub type KeptStore = Store<Kept>;

impl KeptStore {
    /// The kept grants in the directory `kept` of `lib`, which is /var/lib/devgate. That one is there,
    /// and root's alone to write to.
    ///
    /// # Errors
    /// The directory can't be made or used.
    pub fn kept(lib: &Path) -> Result<KeptStore, RunDirError> {
        RunDir::at(&KeptStore::dir_in(lib)).map(Store::new)
    }

    /// Where kept grants are in `lib`, whether there are any or not.
    pub fn dir_in(lib: &Path) -> PathBuf {
        lib.join("kept")
    }

    /// Changes the kept grants of a container, in one step. A container without any has no file.
    ///
    /// # Errors
    /// They can't be read, locked or written.
    pub fn change<R>(
        &self,
        id: &ContainerId,
        change: impl FnOnce(&mut Vec<Grant>) -> R,
    ) -> Result<R, StoreError> {
        let mut locked = self.lock(id)?;
        let empty = Kept { version: Version, id: id.clone(), grants: Vec::new() };
        let mut kept = locked.take().unwrap_or(empty);
        let outcome = change(&mut kept.grants);
        // A node ends with the container's run.
        kept.grants.iter_mut().for_each(|grant| grant.node = None);
        match kept.grants.is_empty() {
            true => locked.remove().map(drop)?,
            false => locked.put(kept)?,
        }
        Ok(outcome)
    }
}
