//! Standard output that is never waited for: a reader that is slow, or is no more, must not keep
//! the watch from ending.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

use super::super::ended::Ended;

/// Where poll(2) says that a pipe can be written, so many bytes fit (PIPE_BUF, pipe(7)).
const PIECE: usize = 4096;
/// Of a terminal (`WAKEUP_CHARS`, drivers/tty/n_tty.c).
const TERMINAL_PIECE: usize = 256;

/// Bytes that wait, above which nothing more is printed for now.
const FULL: usize = 1 << 20;

/// How long the last lines may take.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Output {
    waits: Vec<u8>,
    piece: usize,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The time is over.
    Time,
    /// The watch is to end: it was told to, or nobody reads any more.
    End,
}

impl Output {
    pub fn new() -> Output {
        let piece = if io::stdout().is_terminal() { TERMINAL_PIECE } else { PIECE };
        Output { waits: Vec::new(), piece }
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.waits.len() < FULL
    }

    pub fn print(&mut self, line: &str) {
        self.waits.extend_from_slice(line.as_bytes());
    }

    /// Waits for so long, and writes meanwhile.
    ///
    /// # Errors
    /// Standard output can't be written, for another reason than that nobody reads it.
    pub fn wait(&mut self, time: Duration, ended: &Ended) -> anyhow::Result<Woken> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let stdout = io::stdout();
            let wanted = match self.waits.is_empty() {
                true => PollFlags::empty(),
                false => PollFlags::POLLOUT,
            };
            let mut fds = [
                PollFd::new(ended.as_fd(), PollFlags::POLLIN),
                PollFd::new(stdout.as_fd(), wanted),
            ];
            // Less than a millisecond is none.
            let timeout = PollTimeout::try_from(left + Duration::from_micros(999))?;
            match poll(&mut fds, timeout) {
                // It was stopped and goes on.
                Err(Errno::EINTR) => continue,
                ready => ready?,
            };
            let [told, output] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
            let closed = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
            if !told.is_empty() || output.intersects(closed) {
                return Ok(Woken::End);
            }
            if output.contains(PollFlags::POLLOUT) && !self.write()? {
                return Ok(Woken::End);
            }
            if left.is_zero() {
                return Ok(Woken::Time);
            }
        }
    }

    /// Writes what waits, for a moment at most.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while !self.waits.is_empty() && Instant::now() < end {
            let stdout = io::stdout();
            let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut fds, PollTimeout::from(100_u8)) {
                Err(Errno::EINTR) => continue,
                ready => ready?,
            };
            let [output] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
            let closed = output.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL);
            if closed || (output.contains(PollFlags::POLLOUT) && !self.write()?) {
                break;
            }
        }
        Ok(())
    }

    /// Writes a piece; `false` if nobody reads it.
    fn write(&mut self) -> anyhow::Result<bool> {
        let piece = self.waits.get(..self.piece).unwrap_or(&self.waits);
        match write(io::stdout().as_fd(), piece) {
            Ok(written) => {
                self.waits.drain(..written);
                Ok(true)
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(true),
            Err(Errno::EPIPE) => Ok(false),
            Err(errno) => Err(anyhow::anyhow!("standard output: {errno}")),
        }
    }
}
