//! A running container: its id, what devgate has written of it, its processes, and nodes in its
//! /dev.
//!
//! What is inside of a container is hostile. Its files are reached by descriptors, no link in it
//! is followed, nothing of it is run, and nothing outside of its own /dev is written.

mod changed;
mod dev_path;
mod find;
mod grant;
mod history;
mod holders;
mod id;
mod index;
mod init;
mod kept;
mod lock;
mod made;
mod modes;
mod named;
mod names;
mod naming;
mod node;
mod record;
mod rules;
mod running;
pub(crate) mod runtimes;
mod states;
mod store;
mod time;
pub(crate) mod trusted;
mod user;

pub use dev_path::{DevPath, DevPathError};
pub use find::{FindError, container_dirs, find_container, pid_in};
pub use grant::Grant;
pub use history::{Action, Change, History, LONGEST_HISTORY, LONGEST_LIST, RuleList};
pub use holders::{DeviceNumbers, Hold, Holder, HoldersError, holders};
pub use id::{ContainerId, IdError, LONGEST_ID};
pub use index::RecordIndex;
pub use init::{Init, InitError};
pub use kept::{Kept, KeptStore, LIB_DIR, make_lib_dir};
pub use made::{FileRef, MadeNode};
pub use named::Pod;
pub use names::{CRUN_LEAF, cgroup_of_unit, container_id};
pub use naming::{Named, Naming, NamingError, Place};
pub use node::{Made, NodeError, NodeSpec, Removed, make, remove};
pub use record::{CgroupRef, Record, RecordStore, StartError, Swept};
pub use running::running;
pub use runtimes::StateError;
pub use store::{Listed, Locked, Store, StoreError, Stored, Version};
pub use time::{Time, TimeError};
pub use trusted::TrustError;
pub use user::User;

pub(crate) use find::directories;

use std::path::PathBuf;

use thiserror::Error;

use crate::cgroup::{Cgroup, CgroupError};

/// A container that runs.
#[derive(Debug)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its cgroup.
    pub cgroup: Cgroup,
    /// Its first process.
    pub init: Init,
}

/// Why a container can't be reached.
#[derive(Debug, Error)]
pub enum ContainerError {
    /// Its cgroup was removed.
    #[error("container {id} has stopped: its cgroup {} is gone", cgroup.display())]
    Stopped {
        /// The container.
        id: ContainerId,
        /// Where its cgroup was.
        cgroup: PathBuf,
    },
    /// Its cgroup can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Its first process can't be used.
    #[error(transparent)]
    Init(#[from] InitError),
}

impl Container {
    /// The container of a record, wherever its cgroup is seen from here.
    ///
    /// # Errors
    /// It has stopped, its first process is in another cgroup, or one of them can't be opened.
    pub fn of_record(record: &Record) -> Result<Container, ContainerError> {
        let cgroup = Cgroup::of_id(record.cgroup.id)?.ok_or_else(|| ContainerError::Stopped {
            id: record.id.clone(),
            cgroup: record.cgroup.path.clone(),
        })?;
        let init = Init::pin(record.pid)?;
        // A container with a cgroup namespace may have moved it to a cgroup below.
        let own = Cgroup::of(init.process())?;
        if !own.is_at_or_below(&cgroup) {
            let cgroup = cgroup.path().to_owned();
            return Err(InitError::Elsewhere { pid: record.pid, cgroup }.into());
        }
        Ok(Container { id: record.id.clone(), cgroup, init })
    }
}

/// Whether a cgroup with this id exists, as [`RecordStore::sweep`] asks; also if that can't be
/// told, so that nothing is removed then.
pub fn cgroup_exists(id: u64) -> bool {
    !matches!(Cgroup::of_id(id), Ok(None))
}
