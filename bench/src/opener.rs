//! The process in the cgroup: it opens devices when it is told to, and stands for a container's
//! process otherwise.

use std::ffi::{CStr, CString};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;

/// How often a paced process begins again.
pub const TICK: Duration = Duration::from_millis(100);

/// What it is to do.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// To open a file to read, and close it, so many times.
    Open { path: PathBuf, times: usize },
    /// To do so every [`TICK`], for so many of them.
    Pace { path: PathBuf, times: usize, ticks: u32 },
    /// To make nodes of so many character devices, all at this path.
    Make { path: PathBuf, major: u32, count: u32 },
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The last call's.
    pub outcome: Result<(), Errno>,
    /// From the first call to the last.
    pub took: Duration,
}

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
        Ok(self.timed(&Order::Open { path: path.to_owned(), times })?.outcome)
    }

    /// Has it do this; what the last call came to, and how long all took.
    pub fn timed(&mut self, order: &Order) -> anyhow::Result<Answer> {
        self.start_on(order)?;
        self.finish()
    }

    /// Gives it an order whose answer is asked for later.
    pub fn start_on(&mut self, order: &Order) -> anyhow::Result<()> {
        Ok(writeln!(self.orders, "{}", serde_json::to_string(order)?)?)
    }

    /// The answer to the last order.
    pub fn finish(&mut self) -> anyhow::Result<Answer> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let numbers = answer.trim().split_once(' ').context("the opener died")?;
        let outcome = match numbers.0.parse()? {
            0 => Ok(()),
            errno => Err(Errno::from_raw(errno)),
        };
        Ok(Answer { outcome, took: Duration::from_nanos(numbers.1.parse()?) })
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
        let order: Order = serde_json::from_str(&order?)?;
        let begin = Instant::now();
        let outcome = order.execute(begin)?;
        println!(
            "{} {}",
            outcome.err().map_or(0, |errno| errno as i32),
            begin.elapsed().as_nanos()
        );
    }
    Ok(())
}

impl Order {
    fn execute(&self, begin: Instant) -> anyhow::Result<nix::Result<()>> {
        let mut outcome = Ok(());
        match self {
            Order::Open { path, times } => {
                let path = c_path(path)?;
                (0..*times).for_each(|_| outcome = open_once(&path));
            }
            Order::Pace { path, times, ticks } => {
                let path = c_path(path)?;
                for tick in 1..=*ticks {
                    (0..*times).for_each(|_| outcome = open_once(&path));
                    sleep((begin + TICK * tick).saturating_duration_since(Instant::now()));
                }
            }
            Order::Make { path, major, count } => {
                for minor in 0..*count {
                    let device = makedev((*major).into(), minor.into());
                    outcome = mknod(path, SFlag::S_IFCHR, Mode::S_IRUSR, device);
                }
            }
        }
        Ok(outcome)
    }
}

fn c_path(path: &Path) -> anyhow::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// Opens and closes.
fn open_once(path: &CStr) -> nix::Result<()> {
    open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map(drop)
}
