//! Asking this machine's ctr, which is run as root: nobody else may change it, and it gets neither
//! all the time nor all the memory.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::super::binary::Binary;
use super::super::programs::find_program;
use super::super::{InstallError, Root};

/// What is run.
pub(super) const CTR: &str = "ctr oci spec";

/// It takes some 30 ms.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// It prints some 5 KiB.
const OUTPUT_LIMIT: usize = 1 << 20;

/// How often an end is looked for after the output's.
const PAUSE: Duration = Duration::from_millis(5);

/// What `ctr oci spec` of this machine prints.
pub(super) fn oci_spec(root: &Root) -> Result<Vec<u8>, InstallError> {
    let failed = |source| InstallError::Command { command: CTR, source };
    let path = find_program(root, "ctr");
    let path = path.ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "no ctr")))?;
    let ctr = Binary::new(&path)?;
    if let Some(flaw) = ctr.flaw(root) {
        return Err(InstallError::CommandFlaw { command: CTR, path, flaw });
    }
    let mut command = Command::new(ctr.path());
    command.args(["oci", "spec"]).env_clear();
    let Ended { status, stdout, stderr } = run(&mut command, TIME_LIMIT).map_err(failed)?;
    match status.success() {
        true => Ok(stdout),
        false => {
            let stderr = String::from_utf8_lossy(&stderr).trim().to_owned();
            Err(InstallError::CommandFailed { command: CTR, status, stderr })
        }
    }
}

/// A command that ran to its end.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Runs a command within the limits. Beyond them it is killed, with all that it started.
fn run(command: &mut Command, limit: Duration) -> io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A process group of its own can be killed as a whole.
    let mut child = command.process_group(0).spawn()?;
    let deadline = Instant::now() + limit;
    let ended = collect(&mut child, deadline, limit);
    if ended.is_err() {
        // It was not waited for, so its id is still its own.
        let group = i32::try_from(child.id()).map_err(io::Error::other)?;
        // It may have ended by itself.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        child.wait()?;
    }
    ended
}

fn collect(child: &mut Child, deadline: Instant, limit: Duration) -> io::Result<Ended> {
    let late = || {
        let text = format!("it took longer than {} s", limit.as_secs_f32());
        io::Error::new(io::ErrorKind::TimedOut, text)
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    while out.is_some() || err.is_some() {
        let left = deadline.checked_duration_since(Instant::now()).ok_or_else(late)?;
        let ready = [as_fd(&out), as_fd(&err)];
        let mut polled: Vec<PollFd> =
            ready.iter().flatten().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        // Rounded up, so that it does not spin at the end.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1));
        match poll(&mut polled, timeout.unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = polled.iter().map(PollFd::any);
        let out_ready = out.is_some() && ready.next().flatten() == Some(true);
        let err_ready = err.is_some() && ready.next().flatten() == Some(true);
        if out_ready && read_some(out.as_mut(), &mut stdout)? == 0 {
            out = None;
        }
        if err_ready && read_some(err.as_mut(), &mut stderr)? == 0 {
            err = None;
        }
    }
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended { status, stdout, stderr });
        }
        deadline.checked_duration_since(Instant::now()).ok_or_else(late)?;
        thread::sleep(PAUSE);
    }
}

fn as_fd(pipe: &Option<impl AsFd>) -> Option<BorrowedFd<'_>> {
    pipe.as_ref().map(AsFd::as_fd)
}

/// Reads what is there, and says how much that was.
fn read_some(pipe: Option<&mut impl Read>, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 1 << 12];
    let length = pipe.map_or(Ok(0), |pipe| pipe.read(&mut buffer))?;
    bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
    match bytes.len() > OUTPUT_LIMIT {
        true => Err(io::Error::other(format!("it printed more than {OUTPUT_LIMIT} bytes"))),
        false => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn sh(script: &str, limit: Duration) -> Result<Ended, String> {
        let run = run(Command::new("/bin/sh").args(["-c", script]), limit);
        run.map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_that_ends_is_heard() {
        let ended = sh("echo a; echo b >&2; exit 3", TIME_LIMIT).unwrap();
        let code = ended.status.code();
        assert_eq!(
            (code, &ended.stdout[..], &ended.stderr[..]),
            (Some(3), &b"a\n"[..], &b"b\n"[..])
        );
    }

    #[test]
    fn output_without_end_is_cut_off() {
        for script in ["exec yes", "exec yes >&2"] {
            assert_eq!(sh(script, TIME_LIMIT).unwrap_err(), "it printed more than 1048576 bytes");
        }
    }

    /// With what it started, which holds its output open.
    #[test]
    fn a_command_that_does_not_end_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let limit = Duration::from_secs(1);
        for script in
            ["sleep 600 & echo $$ $! > PIDS; wait", "exec >&- 2>&-; echo $$ > PIDS; sleep 600"]
        {
            let script = script.replace("PIDS", pids.to_str().unwrap());
            assert_eq!(sh(&script, limit).unwrap_err(), "it took longer than 1 s");
            let pids = fs::read_to_string(&pids).unwrap();
            let gone = |pid: &str| {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                stat.is_empty() || stat.contains(") Z ")
            };
            // The signal was sent; when a process is gone, the kernel decides.
            let all_gone = || pids.split_whitespace().all(gone);
            let deadline = Instant::now() + TIME_LIMIT;
            while !all_gone() && Instant::now() < deadline {
                thread::sleep(PAUSE);
            }
            assert!(all_gone(), "{pids}");
        }
    }
}
