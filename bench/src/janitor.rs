//! Cleaning up, however the bench ends: a process of its own waits for it and then removes what
//! it left. What a panic, Ctrl-C or SIGKILL leaves undone needs no second way.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::Context;

use crate::cgroup::remove_tree;

/// The process that cleans up when this is dropped, or when its owner ends.
#[derive(Debug)]
pub struct Janitor {
    process: Child,
    /// Closed by the kernel when the owner ends.
    leash: Option<ChildStdin>,
}

impl Janitor {
    /// Starts it. `cgroup` and `dir` need not exist yet.
    pub fn hire(cgroup: &Path, dir: &Path) -> anyhow::Result<Janitor> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("janitor")
            .args([cgroup, dir])
            .stdin(Stdio::piped())
            // Ctrl-C is for the terminal's own group.
            .process_group(0)
            .spawn()
            .context("the janitor")?;
        let leash = process.stdin.take();
        Ok(Janitor { process, leash })
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.leash.take());
        if let Err(error) = self.process.wait() {
            eprintln!("devgate-bench: the janitor can't be waited for: {error}");
        }
    }
}

/// The janitor's own main function.
pub fn work(cgroup: &Path, dir: &Path) -> anyhow::Result<()> {
    io::stdin().read_to_end(&mut Vec::new())?;
    let cgroups = remove_tree(cgroup).with_context(|| format!("cgroup {}", cgroup.display()));
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("directory {}", dir.display()))
        }
        _ => cgroups,
    }
}
