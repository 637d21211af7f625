//! The demo's cgroup and the child in it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail};
use devgate::cgroup::Cgroup;

/// A cgroup below the caller's with a child in it. Both go when this is dropped.
pub struct Stage {
    cgroup: Cgroup,
    dir: Dir,
    child: Option<Child>,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A cgroup directory that is removed when this is dropped.
struct Dir(PathBuf);

impl Dir {
    /// A cgroup can't be removed before its last process is quite gone.
    fn remove(&self) -> std::io::Result<()> {
        let mut outcome = fs::remove_dir(&self.0);
        for _ in 0..100 {
            match &outcome {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                    sleep(Duration::from_millis(10));
                    outcome = fs::remove_dir(&self.0);
                }
                _ => break,
            }
        }
        outcome
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // Whoever wants to know has called remove().
        let _ = self.remove();
    }
}

impl Stage {
    pub fn set_up() -> anyhow::Result<Stage> {
        let own = Cgroup::of_process(std::process::id().try_into()?)?;
        let dir = own.path().join(format!("devgate-demo-{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("making cgroup {}", dir.display()))?;
        let dir = Dir(dir);
        let cgroup = Cgroup::open(&dir.0)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["demo", "--child"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the child")?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the child has no pipes");
        };
        let answers = BufReader::new(answers);
        let pid = child.id();
        let mut stage = Stage { cgroup, dir, child: Some(child), orders, answers };
        fs::write(stage.dir.0.join("cgroup.procs"), pid.to_string())
            .context("moving the child into the cgroup")?;
        match stage.answer()?.as_str() {
            "ready" => Ok(stage),
            other => bail!("the child says {other:?}"),
        }
    }

    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    pub fn child_pid(&self) -> anyhow::Result<i32> {
        let child = self.child.as_ref().context("the child is gone")?;
        Ok(child.id().try_into()?)
    }

    /// What becomes of the child's attempt.
    pub fn ask(&mut self, device: &str, access: &str) -> anyhow::Result<String> {
        writeln!(self.orders, "{device} {access}").context("the child takes no orders")?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the child ended early");
        }
        Ok(line.trim_end().to_owned())
    }

    /// Ends the child and removes the cgroup, and with it the program.
    pub fn clear_up(mut self) -> anyhow::Result<()> {
        self.end_child();
        self.dir.remove().with_context(|| format!("removing cgroup {}", self.dir.0.display()))
    }

    fn end_child(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end_child();
    }
}
