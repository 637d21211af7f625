//! bpf(2) answers EAGAIN when a signal comes in between, BPF_PROG_LOAD above all: the call is
//! to be made again.

use nix::errno::Errno;

/// Calls in all before EAGAIN is final.
pub(super) const ATTEMPTS: u32 = 10;

/// Whether a call that failed with `errno` for the `attempt`-th time (from 1) is made again.
fn again(errno: Errno, attempt: u32) -> bool {
    errno == Errno::EAGAIN && attempt < ATTEMPTS
}

/// The outcome of `call`, which is made again while it fails with EAGAIN.
pub(super) fn retrying<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    let mut attempt = 1;
    loop {
        match call() {
            Err(errno) if again(errno, attempt) => attempt += 1,
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(mut outcomes: Vec<nix::Result<()>>) -> (nix::Result<()>, usize) {
        let mut calls = 0;
        let outcome = retrying(|| {
            calls += 1;
            if outcomes.is_empty() { Err(Errno::EAGAIN) } else { outcomes.remove(0) }
        });
        (outcome, calls)
    }

    #[test]
    fn eagain_is_tried_again_and_in_the_end_returned() {
        assert_eq!(calls(vec![Ok(())]), (Ok(()), 1));
        let five_times = [vec![Err(Errno::EAGAIN); 5], vec![Ok(())]].concat();
        assert_eq!(calls(five_times), (Ok(()), 6));
        assert_eq!(calls(vec![]), (Err(Errno::EAGAIN), ATTEMPTS as usize));
    }

    #[test]
    fn other_errors_are_final() {
        assert_eq!(calls(vec![Err(Errno::EINVAL), Ok(())]), (Err(Errno::EINVAL), 1));
        assert_eq!(calls(vec![Err(Errno::EAGAIN), Err(Errno::EPERM)]), (Err(Errno::EPERM), 2));
    }
}
