//! Which container a cgroup is, by the records.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::changed::Listed;
use super::id::ContainerId;
use super::record::{Record, RecordStore};

/// The records by the ids of their cgroups. A record is read again only if it was replaced, and
/// the directory is listed again only if it changed.
#[derive(Debug, Default)]
pub struct RecordIndex {
    listed: Listed,
    /// What stands for a record's file, and the cgroup that it names. A record that can't be read
    /// has no cgroup.
    files: HashMap<ContainerId, (Stamp, Option<u64>)>,
    containers: HashMap<u64, ContainerId>,
}

/// A file that is replaced has another inode, or another time.
type Stamp = (u64, i64, i64);

impl RecordIndex {
    /// The record of this cgroup; `None` if there is none that can be read.
    pub fn of_cgroup(&mut self, cgroup_id: u64) -> Option<Record> {
        let store = RecordStore::existing().ok()??;
        self.refresh(&store);
        let record = store.get(self.containers.get(&cgroup_id)?).ok()??;
        (record.cgroup.id == cgroup_id).then_some(record)
    }

    fn refresh(&mut self, store: &RecordStore) {
        if !self.listed.is_due(store.dir()) {
            return;
        }
        let Ok(ids) = store.ids() else { return };
        for id in &ids {
            let Ok(found) = fs::metadata(store.path(id)) else { continue };
            let stamp = (found.ino(), found.mtime(), found.mtime_nsec());
            if self.files.get(id).is_none_or(|(known, _)| *known != stamp) {
                let record = store.get(id).ok().flatten();
                self.files.insert(id.clone(), (stamp, record.map(|record| record.cgroup.id)));
            }
        }
        let ids: HashSet<ContainerId> = ids.into_iter().collect();
        self.files.retain(|id, _| ids.contains(id));
        let named =
            self.files.iter().filter_map(|(id, (_, cgroup))| Some(((*cgroup)?, id.clone())));
        self.containers = named.collect();
    }
}
