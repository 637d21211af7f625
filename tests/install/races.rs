//! Somebody below the prefix renames while devgate works there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use tempfile::TempDir;

use super::machine::Machine;

const HOOKS_DIR: &str = "/srv/race/hooks";
const RUNS: usize = 200;

/// Every file's inode, modification time and content: nothing was made, changed or replaced.
type Files = BTreeMap<PathBuf, (u64, i64, i64, Vec<u8>)>;

fn files(dir: &Path) -> Files {
    let mut files = Files::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            let found = path.symlink_metadata().expect("it is there");
            let content = if found.is_file() { fs::read(&path).expect("a file") } else { vec![] };
            if found.is_dir() {
                dirs.push(path.clone());
            }
            files.insert(path, (found.ino(), found.mtime(), found.mtime_nsec(), content));
        }
    }
    files
}

/// What the attacker would like devgate to replace or remove: a file that looks like its own.
fn outside() -> TempDir {
    let outside = tempfile::tempdir().expect("a folder");
    let machine = Machine::new();
    machine.install(&["podman", "--hooks-dir", HOOKS_DIR]).success();
    fs::create_dir(outside.path().join("hooks")).expect("a folder");
    let own = machine.at(HOOKS_DIR).join("devgate.json");
    fs::copy(own, outside.path().join("hooks/devgate.json")).expect("a copy");
    outside
}

#[test]
fn nothing_outside_of_the_prefix_is_touched() {
    let outside = outside();
    let before = files(outside.path());
    let machine = Machine::new();
    fs::create_dir_all(machine.at(HOOKS_DIR)).expect("a folder");
    let (dir, link) = (machine.at("/srv/race"), machine.at("/srv/link"));
    symlink(outside.path(), &link).expect("a link can be made");
    let (over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let how = RenameFlags::RENAME_EXCHANGE;
                renameat2(AT_FDCWD, &dir, AT_FDCWD, &link, how).expect("both are there");
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        for run in 0..RUNS {
            let args = ["podman", "--hooks-dir", HOOKS_DIR];
            // It may well fail: what it found is not there any more.
            match run % 2 {
                0 => machine.install(&args),
                _ => machine.uninstall(&args),
            };
        }
        over.store(true, Ordering::Relaxed);
    });
    let swaps = swaps.into_inner();
    assert!(swaps > RUNS, "only {swaps} swaps");
    assert!(files(outside.path()) == before, "after {swaps} swaps");
}
