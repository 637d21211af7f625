//! A machine below a prefix.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::common::command::{Run, devgate, run};

/// Where the machine has devgate.
pub const BINARY: &str = "/usr/bin/devgate";

pub struct Machine(TempDir);

impl Machine {
    /// With devgate installed.
    pub fn new() -> Machine {
        let machine = Machine::bare();
        machine.write(BINARY, "", 0o755);
        machine
    }

    pub fn bare() -> Machine {
        Machine(tempfile::tempdir().expect("a folder can be made"))
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    pub fn prefix(&self) -> &str {
        self.0.path().to_str().expect("a path of text")
    }

    pub fn write(&self, path: &str, content: &str, mode: u32) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        fs::write(&path, content).expect("a file can be written");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode can be set");
    }

    pub fn read(&self, path: &str) -> String {
        let read = fs::read_to_string(self.at(path));
        read.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path)).expect("it is JSON")
    }

    pub fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// `devgate install`, for the machine's devgate.
    pub fn install(&self, args: &[&str]) -> Run {
        let (engine, rest) = args.split_first().expect("an engine");
        let own = ["install", engine, "--prefix", self.prefix(), "--binary", BINARY];
        devgate(&[&own, rest].concat(), "")
    }

    /// The same where its /usr is a read-only file system.
    pub fn install_read_only(&self, args: &[&str]) -> Run {
        let (engine, rest) = args.split_first().expect("an engine");
        let script =
            "mount --bind $1/usr $1/usr; mount -o remount,bind,ro $1/usr; shift; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", script, "sh"]);
        command.args([self.prefix(), env!("CARGO_BIN_EXE_devgate"), "install", engine]);
        run(command.args(["--prefix", self.prefix(), "--binary", BINARY]).args(rest), "")
    }

    /// What doctor says of an engine.
    pub fn doctor(&self, engine: &str) -> Run {
        devgate(&["doctor", "engines", "--prefix", self.prefix(), "--among", engine], "")
    }

    pub fn uninstall(&self, args: &[&str]) -> Run {
        let (engine, rest) = args.split_first().expect("an engine");
        devgate(&[&["uninstall", engine, "--prefix", self.prefix()], rest].concat(), "")
    }

    /// Every file with its content and mode.
    pub fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
        let mut files = BTreeMap::new();
        collect(self.0.path(), &mut files);
        files
    }
}

fn collect(dir: &Path, files: &mut BTreeMap<PathBuf, (Vec<u8>, u32)>) {
    for entry in fs::read_dir(dir).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let mode = fs::metadata(&path).expect("it is there").permissions().mode() & 0o7777;
            files.insert(path.clone(), (fs::read(&path).expect("it can be read"), mode));
        }
    }
}
