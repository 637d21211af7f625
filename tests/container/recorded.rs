//! A container that is found again by its record.

use std::path::Path;

use devgate::cgroup::Cgroup;
use devgate::container::{
    CgroupRef, Container, ContainerError, History, InitError, Record, RecordStore, Version,
    cgroup_exists,
};
use devgate::hold::HoldMode;
use devgate::kernel::{OverrideAncestor, RetvalPrograms, Stale};
use devgate::policy::DefaultDevices;
use devgate::run_dir::RunDir;
use devgate::unit::UnitMode;

use crate::common::engine::{eventually, ready};
use crate::gated::{Kind, runc};

fn record(cgroup: &Path, pid: i32) -> Record {
    let id = Cgroup::open(cgroup).and_then(|cgroup| cgroup.id()).expect("it has an id");
    Record {
        version: Version,
        id: "container".parse().expect("an id"),
        cgroup: CgroupRef { path: "/where/the/hook/saw/it".into(), id },
        bundle: Some("/bundle".into()),
        pid,
        rules: Vec::new(),
        default_devices: DefaultDevices::Base,
        stale: Stale::All,
        override_ancestor: OverrideAncestor::Refuse,
        retval_programs: RetvalPrograms::Refuse,
        hold: HoldMode::Try,
        unit: UnitMode::Try,
        pin: None,
        grants: Vec::new(),
        history: History::default(),
    }
}

#[test]
fn a_container_is_found_by_its_record_until_it_ends() {
    if !ready("runc") {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let run = RunDir::at(&dir.path().join("devgate")).expect("it can be made");
    let store = RecordStore::records(&run).expect("it can be made");
    let mut recorded = None;
    runc(Kind::Plain).with_running(|running| {
        let record = record(&running.cgroup, running.pid());
        store.start(record.clone(), cgroup_exists).expect("it can be written");
        let container = Container::of_record(&record).expect("it runs");
        assert_eq!(container.cgroup.path(), running.cgroup);
        assert_eq!(container.init.pid(), running.pid());
        assert!(store.sweep(cgroup_exists).expect("it can be swept").removed.is_empty());
        // A process id that was used again is another container's, or the host's.
        let own = std::process::id().cast_signed();
        let error = Container::of_record(&Record { pid: own, ..record.clone() }).unwrap_err();
        assert!(matches!(error, ContainerError::Init(InitError::Elsewhere { .. })), "{error:?}");
        recorded = Some(record);
    });
    let record = recorded.expect("it ran");
    eventually("the cgroup is gone", || !cgroup_exists(record.cgroup.id));
    let error = Container::of_record(&record).unwrap_err();
    assert_eq!(
        error.to_string(),
        "container container has stopped: its cgroup /where/the/hook/saw/it is gone"
    );
    assert_eq!(store.sweep(cgroup_exists).expect("it can be swept").removed, [record.id]);
    assert!(store.ids().expect("it can be listed").is_empty());
}
