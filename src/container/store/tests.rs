use super::*;
use crate::container::{ContainerId, Record, RecordStore};
use crate::run_dir::RunDir;

const RECORD: &str = include_str!("../../../testdata/records/version-1.json");

fn record(id: &str) -> Record {
    Record { id: id.parse().unwrap(), ..serde_json::from_str(RECORD).unwrap() }
}

fn store() -> (tempfile::TempDir, RecordStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = RecordStore::records(&RunDir::at(&dir.path().join("devgate")).unwrap());
    (dir, store.unwrap())
}

fn id(id: &str) -> ContainerId {
    id.parse().unwrap()
}

fn names(store: &RecordStore) -> Vec<String> {
    store.dir.names().unwrap()
}

#[test]
fn what_is_written_is_read_and_removed() {
    let (_dir, store) = store();
    assert_eq!(store.get(&id("c")).unwrap(), None);
    assert!(matches!(store.remove(&id("c")), Ok(false)));
    store.lock(&id("c")).unwrap().put(record("c")).unwrap();
    assert_eq!(store.get(&id("c")).unwrap(), Some(record("c")));
    assert_eq!(names(&store), ["c.json", "c.lock"]);
    let list = store.list().unwrap();
    let [(found, Ok(_))] = &list[..] else { panic!("{list:?}") };
    assert_eq!(*found, id("c"));
    assert!(matches!(store.remove(&id("c")), Ok(true)));
    assert_eq!(names(&store), [""; 0]);
}

#[test]
fn the_longest_id_has_a_file() {
    let (_dir, store) = store();
    let longest = "x".repeat(crate::container::LONGEST_ID);
    store.lock(&id(&longest)).unwrap().put(record(&longest)).unwrap();
    assert_eq!(store.ids().unwrap(), [id(&longest)]);
}

#[test]
fn two_writers_lose_nothing() {
    let (_dir, store) = store();
    store.lock(&id("c")).unwrap().put(Record { pid: 0, ..record("c") }).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let count = |record: &mut Record| {
                        record.pid += 1;
                        Ok::<(), StoreError>(())
                    };
                    store.edit(&id("c"), count).unwrap();
                }
            });
        }
    });
    assert_eq!(store.get(&id("c")).unwrap().unwrap().pid, 100);
}

#[test]
fn an_edit_that_fails_writes_nothing() {
    let (_dir, store) = store();
    store.lock(&id("c")).unwrap().put(record("c")).unwrap();
    let failed: Result<(), StoreError> = store.edit(&id("c"), |record| {
        record.pid = 0;
        Err(store.missing(&id("other")))
    });
    assert!(matches!(failed, Err(StoreError::Missing { .. })));
    assert_eq!(store.get(&id("c")).unwrap(), Some(record("c")));
    let missing = store.edit(&id("none"), |_| Ok::<(), StoreError>(())).unwrap_err();
    let path = store.path(&id("none"));
    let expected = format!("container none has no record ({} does not exist)", path.display());
    assert_eq!(missing.to_string(), expected);
    // No lock of it stays.
    assert_eq!(names(&store), ["c.json", "c.lock"]);
}

/// Texts of a record that can't be used, with what is said of them.
#[test]
fn a_damaged_or_newer_record_is_an_error_and_stays() {
    let (_dir, store) = store();
    let path = store.path(&id("c"));
    let good = serde_json::to_string(&record("c")).unwrap();
    for (text, part) in [
        (String::new(), "is damaged: EOF while parsing"),
        ("{}".to_owned(), "is damaged: missing field `version`"),
        (good[..100].to_owned(), "is damaged: EOF while parsing"),
        (good.clone() + "x", "is damaged: trailing characters"),
        (good.replace("\"pid\":42", "\"pid\":\"x\""), "is damaged: pid: invalid type"),
        (good.replace("\"pid\":42", "\"pid\":42,\"new\":1"), "is damaged: new: unknown field"),
        (good.replace("\"pid\":42", "\"pid\":42,\"pid\":43"), "is damaged: duplicate field `pid`"),
        (good.replace("\"rwm\"", "\"rx\""), "is damaged: rules[0].access: unknown access letter"),
        (good.replace("\"id\":\"c\"", "\"id\":\"../c\""), "is damaged: id: container id"),
        (good.replace("\"id\":\"c\"", "\"id\":\"d\""), "is damaged: id: it is of container d"),
        (good.replace("\"version\":1", "\"version\":0"), "is damaged: version: 0 (expected 1)"),
        (
            r#"{"version":2,"anything":[]}"#.to_owned(),
            "has version 2, and this devgate knows version 1 at most: use the newer devgate",
        ),
    ] {
        fs::write(&path, &text).unwrap();
        let edited = store.edit(&id("c"), |record| {
            record.pid = 0;
            Ok::<(), StoreError>(())
        });
        for error in [store.get(&id("c")).unwrap_err(), edited.unwrap_err()] {
            let message = error.to_string();
            let expected = format!("{} {part}", path.display());
            assert!(message.starts_with(&expected), "{text}: {message}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    assert!(matches!(store.remove(&id("c")), Ok(true)));
}

#[test]
fn what_is_not_a_file_is_an_error() {
    let (_dir, store) = store();
    fs::create_dir(store.path(&id("c"))).unwrap();
    let error = store.get(&id("c")).unwrap_err();
    assert!(matches!(error, StoreError::Read { source: ReadError::NotAFile, .. }), "{error:?}");
    let error = store.lock(&id("c")).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Read { .. }), "{error:?}");
}

#[test]
fn a_value_of_another_container_is_not_written() {
    let (_dir, store) = store();
    let error = store.lock(&id("c")).unwrap().put(record("d")).unwrap_err();
    assert!(matches!(error, StoreError::Write { .. }), "{error:?}");
    assert_eq!(store.ids().unwrap(), []);
}
