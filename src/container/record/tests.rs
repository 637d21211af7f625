use super::*;
use crate::policy::{Origin, Verdict};
use crate::run_dir::RunDir;

/// A record as it was written by the first devgate that wrote records.
const FIRST: &str = include_str!("../../../testdata/records/version-1.json");

/// The same, of another container and without grants.
fn record(id: &str) -> Record {
    let record: Record = serde_json::from_str(FIRST).unwrap();
    let id = id.parse().unwrap();
    Record { id, grants: Vec::new(), history: History::default(), ..record }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn user() -> User {
    User { uid: 1000, name: Some("ada".to_owned()) }
}

fn grant(rule: &str) -> Grant {
    Grant {
        rule: rule.parse().unwrap(),
        device: "/dev/fuse".to_owned(),
        path: Some("/dev/fuse".parse().unwrap()),
        node: None,
        time: Time::now(),
        user: user(),
        expires: None,
        keep: false,
    }
}

fn verdict(record: &Record, request: &str) -> Verdict {
    record.policy().decide(&request.parse().unwrap()).verdict
}

#[test]
fn grants_win_over_the_config_and_the_base_rules() {
    for mode in [DefaultDevices::Base, DefaultDevices::Append] {
        let mut record = Record { default_devices: mode, ..record("c") };
        assert_eq!(verdict(&record, "c 1:3 rw"), Verdict::Allow);
        assert_eq!(verdict(&record, "c 10:229 rw"), Verdict::Deny);
        record.grants = vec![grant("allow c 10:229 rw"), grant("deny c 1:3 w")];
        assert_eq!(verdict(&record, "c 10:229 rw"), Verdict::Allow);
        assert_eq!(verdict(&record, "c 1:3 w"), Verdict::Deny);
        let last = record.policy().rules().len() - 1;
        assert_eq!(record.policy().origin(last), Some(Origin::Grant(1)));
    }
}

/// A deny of everything in the config is followed by the base rules. One that is a grant is not.
#[test]
fn revoking_everything_revokes_the_base_rules_too() {
    let mut record = record("c");
    record.grants = vec![grant("deny a *:* rwm")];
    for request in ["c 1:3 r", "c 136:0 rw", "c 10:200 r", "b 8:0 m"] {
        assert_eq!(verdict(&record, request), Verdict::Deny, "{request}");
    }
}

#[test]
fn a_change_is_in_the_history() {
    let mut record = record("c");
    record.change(Action::Grant, user(), |record| record.grants.push(grant("allow c 10:229 rw")));
    record.change(Action::Update, user(), |record| record.rules = rules(&["allow a *:* rwm"]));
    let changes: Vec<&Change> = record.history.changes().collect();
    let [first, second] = changes[..] else { panic!("{changes:?}") };
    assert_eq!((first.action, first.same, &first.user), (Action::Grant, 2, &user()));
    assert_eq!(first.before.rules, []);
    assert_eq!(first.after.rules, rules(&["allow c 10:229 rw"]));
    assert_eq!(second.before.rules.len(), 3);
    assert_eq!(second.after.rules, rules(&["allow a *:* rwm", "allow c 10:229 rw"]));
}

#[test]
fn a_grant_ends_at_its_time() {
    let mut record = record("c");
    let now = Time::now();
    let later = now.plus(std::time::Duration::from_secs(1)).unwrap();
    record.grants =
        vec![grant("allow c 1:1 r"), Grant { expires: Some(later), ..grant("allow c 1:2 r") }];
    assert_eq!(record.expired(now).count(), 0);
    assert_eq!(record.expired(later).collect::<Vec<_>>(), [&record.grants[1]]);
}

/// What is in /run may have been written by the devgate that this one replaces.
#[test]
fn the_first_form_is_read_and_written_as_it_was() {
    let record: Record = serde_json::from_str(FIRST).unwrap();
    let json: serde_json::Value = serde_json::from_str(FIRST).unwrap();
    assert_eq!(serde_json::to_value(&record).unwrap(), json);
    assert_eq!(record.policy().rules().len(), 14);
    assert_eq!(record.history.changes().len(), 1);
}

fn store() -> (tempfile::TempDir, RecordStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = RecordStore::records(&RunDir::at(&dir.path().join("devgate")).unwrap());
    (dir, store.unwrap())
}

#[test]
fn a_restart_replaces_the_record_and_another_container_does_not() {
    let (_dir, store) = store();
    store.start(record("c"), |_| true).unwrap();
    // The hook again, for the same container.
    store.start(Record { pid: 43, ..record("c") }, |_| true).unwrap();
    let next = Record { cgroup: CgroupRef { path: "/other".into(), id: 4712 }, ..record("c") };
    let error = store.start(next.clone(), |_| true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "another container with id c has a record and runs in cgroup /sys/fs/cgroup/c"
    );
    assert_eq!(store.get(&next.id).unwrap().unwrap().pid, 43);
    store.start(next.clone(), |_| false).unwrap();
    assert_eq!(store.get(&next.id).unwrap(), Some(next));
}

#[test]
fn a_sweep_removes_what_has_no_cgroup() {
    let (_dir, store) = store();
    for (id, cgroup) in [("dead", 1), ("alive", 2), ("busy", 1), ("damaged", 1)] {
        let cgroup = CgroupRef { path: "/c".into(), id: cgroup };
        store.start(Record { cgroup, ..record(id) }, |_| true).unwrap();
    }
    let id = |id: &str| id.parse::<ContainerId>().unwrap();
    std::fs::write(store.path(&id("damaged")), "{").unwrap();
    // A devgate that was killed left this one.
    std::fs::write(store.path(&id("killed")).with_extension("lock"), "").unwrap();
    let dead = store.dead(|cgroup| cgroup == 2).unwrap();
    assert_eq!((dead.removed, dead.failed.len()), (["busy", "dead"].map(id).to_vec(), 1));
    let busy = store.lock(&id("busy")).unwrap();
    let swept = store.sweep(|cgroup| cgroup == 2).unwrap();
    drop(busy);
    assert_eq!(swept.removed, [id("dead")]);
    let [StoreError::Damaged { path, .. }] = &swept.failed[..] else { panic!("{swept:?}") };
    assert_eq!(*path, store.path(&id("damaged")));
    assert_eq!(store.ids().unwrap(), ["alive", "busy", "damaged"].map(id));
    assert_eq!(store.lock_ids().unwrap(), ["alive", "busy", "damaged"].map(id));
    assert_eq!(store.sweep(|cgroup| cgroup == 2).unwrap().removed, [id("busy")]);
}

#[test]
fn kept_grants_outlast_the_record_until_there_are_none() {
    use crate::container::{FileRef, KeptStore, MadeNode};
    let dir = tempfile::tempdir().unwrap();
    let kept = KeptStore::kept(dir.path()).unwrap();
    let id: ContainerId = "c".parse().unwrap();
    let file = FileRef { file_system: 1, inode: 2 };
    let path = "/dev/fuse".parse().unwrap();
    let node = Some(MadeNode { path, node: file, file, directories: 0 });
    let asked = Grant { keep: true, node, ..grant("allow c 10:229 rw") };
    kept.change(&id, |grants| grants.push(asked.clone())).unwrap();
    let found = kept.get(&id).unwrap().unwrap();
    assert_eq!(found.grants, [Grant { node: None, ..asked }]);
    kept.change(&id, Vec::clear).unwrap();
    assert_eq!(kept.get(&id).unwrap(), None);
    assert_eq!(std::fs::read_dir(dir.path().join("devgate/kept")).unwrap().count(), 0);
}
