use std::time::Duration;

use super::super::{Asker, Certainty, Denial, Identity};
use super::*;
use crate::container::{Time, Version};

fn time(seconds: u64) -> Time {
    let epoch: Time = "1970-01-01T00:00:00Z".parse().unwrap();
    epoch.plus(Duration::from_secs(seconds)).unwrap()
}

fn denial(request: &str, count: u64) -> Denial {
    Denial {
        cgroup_id: 7,
        request: request.parse().unwrap(),
        certainty: Certainty::Told,
        count,
        first: time(1),
        last: time(count),
        last_by: Some(Asker { pid: 42, command: "sh".to_owned() }),
        denied_by: None,
    }
}

fn ended(cgroup_id: u64, denials: Vec<Denial>) -> Denied {
    let identity = Identity { container: Some("c1".to_owned()), ..Identity::default() };
    let (cgroup, ended) = (Some("/sys/fs/cgroup/x".into()), Some(time(cgroup_id)));
    Denied { version: Version, cgroup_id, cgroup, identity, ended, lost: 0, denials }
}

fn store() -> (tempfile::TempDir, EndedStore) {
    let above = tempfile::tempdir().unwrap();
    let run = RunDir::at(&above.path().join("devgate")).unwrap();
    (above, EndedStore::of(&run).unwrap())
}

fn all(store: &EndedStore) -> Vec<Denied> {
    let (all, failed) = store.all().unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    all
}

#[test]
fn what_is_written_is_read_back() {
    let (_above, store) = store();
    let (one, two) = (ended(9, vec![denial("c 10:229 rw", 3)]), ended(8, vec![]));
    store.add(one.clone()).unwrap();
    store.add(two.clone()).unwrap();
    assert_eq!(all(&store), [two, one]);
    store.clear().unwrap();
    assert_eq!(all(&store), []);
}

/// As if the process had been killed after it wrote the file and removed some of the rows.
#[test]
fn a_container_whose_rows_are_moved_in_two_goes_loses_no_count() {
    let (_above, store) = store();
    let (fuse, tun) = (denial("c 10:229 rw", 3), denial("c 10:200 r", 2));
    let mut first = ended(7, vec![fuse.clone(), tun.clone()]);
    first.lost = 5;
    store.add(first.clone()).unwrap();
    let mut rest = ended(7, vec![tun]);
    rest.identity.name = Some("web".to_owned());
    rest.ended = Some(time(99));
    store.add(rest).unwrap();
    first.identity.name = Some("web".to_owned());
    assert_eq!(all(&store), [first]);
    // A reading that was made earlier and comes later changes nothing.
    store.add(ended(7, vec![denial("c 10:229 rw", 1)])).unwrap();
    assert_eq!(all(&store)[0].denials[0], fuse);
}

#[test]
fn the_latest_thousand_are_kept() {
    let (_above, store) = store();
    for id in 1..=MOST_ENDED as u64 {
        store.write(&ended(id, vec![])).unwrap();
        let path = store.path(id);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(id)).unwrap();
    }
    for id in [2001, 2002] {
        store.add(ended(id, vec![])).unwrap();
    }
    let ids: Vec<u64> = all(&store).iter().map(|ended| ended.cgroup_id).collect();
    assert_eq!(ids.len(), MOST_ENDED);
    assert_eq!((ids[0], ids[MOST_ENDED - 1]), (3, 2002));
}

#[test]
fn the_files_have_a_limit_together() {
    let (_above, store) = store();
    let many = |id| {
        let rows = (0..20_000).map(|minor| denial(&format!("c 10:{minor} rw"), 1)).collect();
        ended(id, rows)
    };
    for id in 1..=8 {
        store.add(many(id)).unwrap();
    }
    let length = fs::metadata(store.path(8)).unwrap().len();
    let kept = all(&store);
    assert_eq!(kept.len() as u64, MOST_BYTES / length);
    assert_eq!(kept.last().map(|ended| ended.cgroup_id), Some(8));
}

#[test]
fn a_damaged_file_is_named_and_gives_way() {
    let (_above, store) = store();
    store.add(ended(1, vec![])).unwrap();
    fs::write(store.path(2), "{}").unwrap();
    fs::rename(store.path(1), store.path(3)).unwrap();
    let (all, failed) = store.all().unwrap();
    assert_eq!(all, []);
    let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
    assert!(failed[0].contains("2.json is damaged: missing field `version`"), "{failed:?}");
    assert!(failed[1].contains("3.json is damaged: cgroup_id: it is of cgroup 1"), "{failed:?}");
    store.add(ended(2, vec![])).unwrap();
    assert_eq!(store.all().unwrap().0.len(), 1);
}

#[test]
fn a_newer_version_is_not_guessed() {
    let (_above, store) = store();
    store.add(ended(1, vec![])).unwrap();
    let text = fs::read_to_string(store.path(1)).unwrap();
    fs::write(store.path(1), text.replace(r#""version":1"#, r#""version":2"#)).unwrap();
    let (_, failed) = store.all().unwrap();
    assert!(failed[0].to_string().contains("2 (expected 1)"), "{failed:?}");
}
