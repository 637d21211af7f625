//! Whether a command that runs on was told to end.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Takes SIGTERM and SIGINT (^C) from here on.
pub struct Ended(SignalFd);

impl Ended {
    pub fn new() -> nix::Result<Ended> {
        let mut ends = SigSet::empty();
        ends.extend([Signal::SIGTERM, Signal::SIGINT]);
        ends.thread_block()?;
        Ok(Ended(SignalFd::with_flags(&ends, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Waits for so long; whether it was told to end.
    pub fn within(&self, time: Duration) -> anyhow::Result<bool> {
        let mut told = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut told, PollTimeout::try_from(time)?) {
            // It was stopped and goes on.
            Err(Errno::EINTR) => Ok(false),
            ready => Ok(ready? > 0),
        }
    }
}

impl AsFd for Ended {
    /// It can be read once the command was told to end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
