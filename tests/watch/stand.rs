//! A container without an engine, whose process opens devices.

use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use super::common::cgroup::TestCgroup;
use super::common::command::{command, devgate};
use super::common::opener::Opener;
use super::common::watching::Watching;
use super::stage::CONFIG;

/// Observers see each other's cgroups, so these tests run one after the other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Stand {
    // Dropped in this order.
    pub opener: Opener,
    pub cgroup: TestCgroup,
    _bundle: TempDir,
}

impl Stand {
    /// Nodes are made for these requests. `test` begins with `serve_if_child`.
    pub fn new(test: &str, id: &str, requests: &[&str]) -> Stand {
        let cgroup = TestCgroup::new();
        let mut opener = Opener::within(&cgroup, test);
        requests.iter().for_each(|request| opener.make_node(&request.parse().unwrap()));
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("config.json"), CONFIG).unwrap();
        let (pid, dir) = (opener.pid(), bundle.path().display());
        let state = format!(
            r#"{{"ociVersion":"1.2.0","id":"{id}","status":"created","pid":{pid},"bundle":"{dir}"}}"#
        );
        let run = devgate(&["hook"], state);
        assert_eq!(run.code, Some(0), "{run:?}");
        Stand { opener, cgroup, _bundle: bundle }
    }

    pub fn ask(&mut self, request: &str) -> String {
        self.opener.ask(&request.parse().unwrap())
    }
}

/// `devgate watch` with these arguments.
#[track_caller]
pub fn watch(args: &[&str]) -> Watching {
    Watching::start(&mut watch_command(args))
}

pub fn watch_command(args: &[&str]) -> Command {
    command(&[&["watch"], args].concat())
}
