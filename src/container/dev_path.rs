//! Paths of device nodes in a container.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const DEV: &str = "/dev/";

/// Most bytes of one name (NAME_MAX), and most names below /dev.
const LONGEST_NAME: usize = 255;
const MOST_NAMES: usize = 16;

/// A path below a container's /dev, like `/dev/bus/usb/001/004`: no `.`, `..` or empty name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct DevPath(String);

/// A text that is not such a path.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a path below /dev (expected like \"/dev/bus/usb/001/004\", without \"..\", and \
     at most {MOST_NAMES} names)"
)]
pub struct DevPathError(String);

impl DevPath {
    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directories below /dev, outermost first, and the node's own name.
    pub(super) fn split(&self) -> (Vec<&str>, &str) {
        let mut names: Vec<&str> = self.0.split('/').skip(2).collect();
        let name = names.pop().unwrap_or_default();
        (names, name)
    }
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST_NAME && !name.contains('\0')
}

impl TryFrom<String> for DevPath {
    type Error = DevPathError;

    fn try_from(path: String) -> Result<DevPath, DevPathError> {
        let below = path.strip_prefix(DEV);
        let valid = below.is_some_and(|below| {
            below.split('/').all(is_name) && below.split('/').count() <= MOST_NAMES
        });
        if valid { Ok(DevPath(path)) } else { Err(DevPathError(path)) }
    }
}

impl FromStr for DevPath {
    type Err = DevPathError;

    fn from_str(path: &str) -> Result<DevPath, DevPathError> {
        path.to_owned().try_into()
    }
}

impl fmt::Display for DevPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_dev_are_split() {
        let split = |path: &str| {
            let path: DevPath = path.parse().unwrap();
            let (directories, name) = path.split();
            (directories.join("/"), name.to_owned())
        };
        assert_eq!(split("/dev/fuse"), (String::new(), "fuse".to_owned()));
        assert_eq!(split("/dev/bus/usb/001/004"), ("bus/usb/001".to_owned(), "004".to_owned()));
    }

    #[test]
    fn every_other_path_is_refused() {
        let long = format!("/dev/{}", "x".repeat(256));
        let deep = format!("/dev{}", "/x".repeat(17));
        for path in [
            "",
            "/",
            "/dev",
            "/dev/",
            "dev/x",
            "/etc/passwd",
            "/dev/../etc/passwd",
            "/dev/a/..",
            "/dev/./x",
            "/dev//x",
            "/dev/x/",
            "/dev/a\0b",
            &long,
            &deep,
        ] {
            assert_eq!(path.parse::<DevPath>(), Err(DevPathError(path.to_owned())));
        }
    }
}
