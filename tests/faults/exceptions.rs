//! Rules that do not apply when certain calls fail, and why.

use super::judge::Rule;
use super::tracee::Run;

/// Where in a run a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before main: the dynamic linker, the C library and Rust's runtime set the process up.
    Start,
    /// Anywhere.
    Anywhere,
    /// On this descriptor.
    Descriptor(u64),
}

struct Exception {
    /// The syscalls; none for any.
    calls: &'static [&'static str],
    at: At,
    rules: &'static [Rule],
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        calls: &[],
        at: At::Start,
        rules: &[Rule::EndsOrderly],
        reason: "before main the linker or Rust's runtime ends the process in its own way",
    },
    Exception {
        calls: &["mmap", "mremap"],
        at: At::Anywhere,
        rules: &[Rule::EndsOrderly, Rule::FailureChangesNothing, Rule::LogIsTrue],
        reason: "without memory Rust aborts, which is like a kill",
    },
    Exception {
        calls: &["write"],
        at: At::Descriptor(2),
        rules: &[Rule::EndsOrderly, Rule::FailureChangesNothing, Rule::SuccessIsComplete],
        reason: "a message that can't be written to standard error can't be read there",
    },
];

/// Why the rule does not apply to the run, if so. The first `start` calls come before main.
pub fn excuse(rule: Rule, run: &Run, start: usize) -> Option<&'static str> {
    let hits = run.calls.iter().enumerate().filter(|(_, call)| call.effect.is_some());
    hits.flat_map(|(place, call)| {
        EXCEPTIONS.iter().filter(move |exception| {
            let at = match exception.at {
                At::Start => place < start,
                At::Anywhere => true,
                At::Descriptor(fd) => call.first == fd,
            };
            let named = exception.calls.is_empty() || exception.calls.contains(&call.row.name);
            at && named && exception.rules.contains(&rule)
        })
    })
    .map(|exception| exception.reason)
    .next()
}
