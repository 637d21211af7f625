//! A machine below a prefix, with one container engine's files.

use std::fs;
use std::path::{Path, PathBuf};

use devgate::install::{InstallError, Plan, Registration, Root, Step};
use tempfile::TempDir;

pub struct Machine {
    dir: TempDir,
    pub root: Root,
}

impl Machine {
    pub fn new() -> Machine {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let root = Root::new(dir.path()).expect("it was made");
        Machine { dir, root }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        fs::write(path, content).expect("a file can be written");
    }

    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.at(path)).ok()
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.at(path)).expect("it is there");
    }

    /// Does it; what becomes of each file.
    pub fn apply(&self, plan: &Plan) -> Vec<Step> {
        let mut steps = Vec::new();
        plan.apply(|_, step| steps.push(step)).expect("nobody else is at these files");
        steps
    }
}

/// The hook that is registered.
pub fn hook() -> Registration {
    let options = ["--log", "/var/log/devgate.log"].map(str::to_owned);
    Registration::new(Path::new("/usr/bin/devgate"), options)
}

/// The plan, or none if it was refused with a message.
pub fn planned(plan: Result<Plan, InstallError>) -> Option<Plan> {
    plan.inspect_err(|error| assert!(!error.to_string().is_empty())).ok()
}
