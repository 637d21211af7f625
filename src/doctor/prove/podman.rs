//! A container of podman's, with a root file system of its own and no image.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use super::super::Scope;
use super::command::{command, last_line, output, text, until, wait};
use super::probe::{Probe, READY};
use super::{Container, NoContainer, sound};
use crate::install::Engine;

/// It ends when standard input is closed: also when this process is killed.
const RUN: [&str; 6] = [
    "run",
    "--rm",
    "--interactive",
    "--network=none",
    "--log-driver=none",
    "--security-opt=label=disable",
];

struct Podman<'s> {
    scope: &'s Scope,
    program: PathBuf,
    child: Child,
    files: TempDir,
    id: String,
    ended: bool,
}

pub(super) fn start<'s>(
    scope: &'s Scope,
    probe: &Probe,
    options: &[&str],
) -> Result<Box<dyn Container + 's>, NoContainer> {
    let none = || NoContainer::Impossible("podman is not installed".to_owned());
    let program = Engine::Podman.program(&scope.root).ok_or_else(none)?;
    sound(scope, &program)?;
    let failed = |error: io::Error| NoContainer::Failed(error.to_string());
    let files = tempfile::Builder::new().prefix("devgate-prove-").tempdir().map_err(failed)?;
    let root = files.path().join("root");
    make_root(&root, probe).map_err(failed)?;
    let file = |name: &str| File::create_new(files.path().join(name)).map_err(failed);
    let child = command(&program)
        .args(RUN)
        .args(options)
        .arg("--cidfile")
        .arg(files.path().join("id"))
        .arg("--rootfs")
        .arg(&root)
        .args(&probe.command)
        .stdin(Stdio::piped())
        .stdout(file("out")?)
        .stderr(file("err")?)
        .spawn()
        .map_err(failed)?;
    let mut podman = Podman { scope, program, child, files, id: String::new(), ended: false };
    podman.wait_until_ready()?;
    Ok(Box::new(podman))
}

fn make_root(root: &Path, probe: &Probe) -> io::Result<()> {
    for (from, to) in &probe.files {
        let to = root.join(to.strip_prefix("/").unwrap_or(to));
        fs::create_dir_all(to.parent().unwrap_or(root))?;
        fs::copy(from, &to)?;
        fs::set_permissions(&to, Permissions::from_mode(0o755))?;
    }
    // podman mounts there, and makes what is missing.
    Ok(())
}

impl Podman<'_> {
    fn read(&self, name: &str) -> String {
        File::open(self.files.path().join(name)).map(text).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) -> Result<(), NoContainer> {
        let scope = self.scope;
        until(scope, || {
            if self.read("out").lines().any(|line| line == READY) {
                self.read("id").trim().clone_into(&mut self.id);
                return Some(Ok(()));
            }
            match self.child.try_wait() {
                Ok(None) => None,
                Ok(Some(_)) => Some(Err(NoContainer::Failed(last_line(&self.read("err"))))),
                Err(error) => Some(Err(NoContainer::Failed(error.to_string()))),
            }
        })?
    }

    fn clear(&mut self) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        drop(self.child.stdin.take());
        // Cleaning up is not interrupted.
        let scope = self.scope.uninterrupted();
        let ended = wait(&scope, &mut self.child).is_ok_and(|success| success);
        let id = self.read("id");
        if ended || id.trim().is_empty() {
            return Ok(());
        }
        let mut remove = command(&self.program);
        remove.args(["rm", "--force", "--ignore", "--time=0", id.trim()]);
        output(&scope, &mut remove).map(drop).map_err(|why| format!("it is left: {why}"))
    }
}

impl Container for Podman<'_> {
    fn id(&self) -> &str {
        &self.id
    }

    fn end(mut self: Box<Self>) -> Result<(), String> {
        self.clear()
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        // Whoever wants to know has called end().
        let _ = self.clear();
    }
}
