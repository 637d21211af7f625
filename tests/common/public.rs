//! devgate for those who are not root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::geteuid;
use tempfile::TempDir;

use super::command::{Run, run};

const DEVGATE: &str = env!("CARGO_BIN_EXE_devgate");
const NOBODY: u32 = 65534;

/// devgate where everybody can run it.
pub struct Public(TempDir);

impl Public {
    pub fn new() -> Public {
        let dir = tempfile::tempdir().expect("a folder");
        let everybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(dir.path(), everybody).expect("it is ours");
        let public = Public(dir);
        // By another process: a neighbouring test's child could hold a descriptor of ours that
        // may write the copy, which then can't be run.
        let copied = Command::new("cp").arg(DEVGATE).arg(public.devgate()).status();
        assert!(copied.is_ok_and(|status| status.success()), "it can be copied");
        public
    }

    pub fn devgate(&self) -> PathBuf {
        self.0.path().join("devgate")
    }

    /// Runs it as nobody, or as whoever we are if not root.
    pub fn run(&self, args: &[&str], input: &str) -> Run {
        let mut command = Command::new(self.devgate());
        command.args(args).current_dir("/");
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        run(&mut command, input)
    }
}
