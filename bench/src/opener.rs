//! The process in the cgroup: it opens devices when it is told to, and stands for a container's
//! process otherwise.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use nix::errno::Errno;

use crate::cgroup::Cgroup;

/// A live process in a cgroup.
#[derive(Debug)]
pub struct Opener {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Opener {
    /// Starts one in the cgroup.
    pub fn start(cgroup: &Cgroup) -> anyhow::Result<Opener> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("opener")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        cgroup.admit(process.id())?;
        let orders = process.stdin.take().context("the opener's stdin")?;
        let answers = BufReader::new(process.stdout.take().context("the opener's stdout")?);
        Ok(Opener { process, orders, answers })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Has it open the file to read, so many times; what the last open came to.
    pub fn open(&mut self, path: &Path, times: usize) -> anyhow::Result<Result<(), Errno>> {
        writeln!(self.orders, "{times} {}", path.display())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim().parse() {
            Ok(0) => Ok(Ok(())),
            Ok(errno) => Ok(Err(Errno::from_raw(errno))),
            Err(_) => bail!("the opener died"),
        }
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        // It may have ended already; the janitor ends what is left.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The opener's own main function.
pub fn work() -> anyhow::Result<()> {
    for order in io::stdin().lock().lines() {
        let order = order?;
        let (times, path) = order.split_once(' ').context("an order")?;
        let mut errno = 0;
        for _ in 0..times.parse()? {
            errno = match File::open(path) {
                Ok(_) => 0,
                Err(error) => error.raw_os_error().unwrap_or(-1),
            };
        }
        println!("{errno}");
    }
    Ok(())
}
