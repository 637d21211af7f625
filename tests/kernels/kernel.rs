//! The table of kernels.

use std::fmt;
use std::path::{Path, PathBuf};

/// A row of `kernels.txt`, which `tests/testbed/provision.sh` reads, too.
pub struct Kernel {
    pub name: &'static str,
    /// How an observer comes to its verdicts, in the word that devgate has for it.
    pub method: &'static str,
}

impl Kernel {
    /// Every kernel.
    pub fn all() -> impl Iterator<Item = Kernel> {
        let rows = include_str!("kernels.txt").lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| match row.split(' ').collect::<Vec<_>>()[..] {
            [name, _suite, method] => Kernel { name, method },
            _ => panic!("kernels.txt: {row}"),
        })
    }

    pub fn image(&self) -> PathBuf {
        Path::new("target/testbed/kernels").join(self.name).join("vmlinuz")
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Linux {}", self.name)
    }
}
