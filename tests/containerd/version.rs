//! The containerds that are tested.

use std::env;
use std::path::{Path, PathBuf};

use crate::common::engine::{find, ready};
use crate::common::require::require;

/// Where `make test-deps` puts containerd 2.
const SECOND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/testbed/containerd2");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.6, as Debian 12 has it.
    One,
    /// 2.1.
    Two,
}

/// Takes the test with each that can be run.
pub fn each(test: impl Fn(Version)) {
    for version in [Version::One, Version::Two] {
        if version.is_ready() {
            println!("{version:?}");
            test(version);
        }
    }
}

impl Version {
    /// Whether a test can run it.
    pub fn is_ready(self) -> bool {
        let why = format!("containerd {self:?} is missing; `make test-deps` installs it");
        ready("runc") && require(self.find_programs().is_some(), &why)
    }

    /// The folder of its programs.
    pub fn programs(self) -> PathBuf {
        self.find_programs().expect("it is installed")
    }

    /// PATH with these first.
    pub fn path(self) -> String {
        format!("{}:{}", self.programs().display(), env::var("PATH").unwrap_or_default())
    }

    fn find_programs(self) -> Option<PathBuf> {
        match self {
            Version::One => find("containerd")?.parent().map(Path::to_owned),
            Version::Two => Some(PathBuf::from(SECOND)).filter(|dir| dir.join("ctr").is_file()),
        }
    }

    /// Its configuration: @DIR@ stands for the test's folder.
    pub fn config(self) -> &'static str {
        match self {
            Version::One => include_str!("configs/one.toml"),
            Version::Two => include_str!("configs/two.toml"),
        }
    }

    /// `ctr image import` of files that the client reads, and the server need not see.
    pub fn import(self) -> &'static [&'static str] {
        match self {
            Version::One => &["image", "import"],
            Version::Two => &["image", "import", "--local"],
        }
    }
}
