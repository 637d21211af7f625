//! The corpora of the fuzz targets, each input once; `make fuzz` looks for more.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic;
use std::path::Path;

/// Few enough to be replayed by every run of the tests.
const MOST_BYTES: u64 = 1 << 20;

/// Each target's inputs go through it; a panic names the file.
fn replay(target: &str, check: fn(&[u8])) {
    let dir = Path::new("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&dir).expect("the corpus can be read") {
        let path = entry.expect("the corpus can be read").path();
        let input = fs::read(&path).expect("an input can be read");
        let outcome = panic::catch_unwind(|| check(&input));
        assert!(outcome.is_ok(), "{} fails", path.display());
        files += 1;
    }
    assert!(files > 20, "{} has {files} inputs", dir.display());
}

#[test]
fn documents() {
    replay("documents", targets::documents::check);
}

#[test]
fn programs() {
    replay("programs", targets::programs::check);
}

#[test]
fn observers() {
    replay("observers", targets::observers::check);
}

#[test]
fn edits() {
    replay("edits", targets::edits::check);
}

#[test]
fn corpora_are_small() {
    let files = ["documents", "programs", "observers", "edits"].map(|target| {
        fs::read_dir(Path::new("fuzz/corpus").join(target)).expect("the corpus can be read")
    });
    let sizes = files
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("the corpus can be read").metadata().expect("it is there").len());
    assert!(sizes.sum::<u64>() <= MOST_BYTES);
}
