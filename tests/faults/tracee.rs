//! Runs a command under ptrace(2), and makes chosen syscalls of it fail, or its last.
//!
//! What `strace -e inject=` does, with three differences: any two calls can be chosen, the caller
//! looks at the kernel between calls, and a run takes a third of the time.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("the injector knows the registers of x86_64 only; another machine needs its own");

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls::{self, Row};
use super::plan::{Effect, Plan};

/// More calls than any run makes that comes to an end.
const MOST_CALLS: usize = 50_000;

/// One syscall of a run.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is known of it.
    pub row: &'static Row,
    /// Which of the calls of this name it is, from 1.
    pub nth: usize,
    /// Its first argument: of many calls the descriptor.
    pub first: u64,
    /// What the plan did to it.
    pub effect: Option<Effect>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Code(i32),
    Signal(Signal),
}

/// A run.
#[derive(Debug)]
pub struct Run {
    pub calls: Vec<Call>,
    pub end: End,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The calls to which the plan did something.
    pub fn hits(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.effect.is_some())
    }

    /// How many calls come before main: the last of Rust's runtime set up the handlers of signals.
    pub fn start(&self) -> usize {
        let last = self.calls.iter().rposition(|call| call.row.name == "rt_sigaction");
        last.expect("Rust's runtime handles signals") + 1
    }

    pub fn was_killed(&self) -> bool {
        self.hits().any(|call| call.effect == Some(Effect::Kill))
    }
}

/// Runs the command, whose process must stay the only one, to its end. `changed` is called after
/// each syscall that may have changed what is attached.
pub fn run(command: &mut Command, input: &str, plan: &Plan, mut changed: impl FnMut()) -> Run {
    let (stdin, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(input.as_bytes()).expect("a pipe has room for the input");
    drop(writer);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: the child makes one syscall, and touches no memory that another thread may hold.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    #[expect(clippy::zombie_processes, reason = "a tracee's end is a stop that is waited for")]
    let child = command.spawn().expect("the command can be started");
    let mut tracee = Tracee::new(Pid::from_raw(child.id().cast_signed()));
    let end = loop {
        match tracee.step(plan) {
            Step::Entered => {}
            Step::Left { may_change } => {
                if may_change {
                    changed();
                }
            }
            Step::Ended(end) => break end,
        }
    };
    let text = |mut pipe: Box<dyn Read>| {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let stdout = text(Box::new(child.stdout.expect("a pipe")));
    let stderr = text(Box::new(child.stderr.expect("a pipe")));
    Run { calls: tracee.calls, end, stdout, stderr }
}

struct Tracee {
    pid: Pid,
    calls: Vec<Call>,
    counts: HashMap<&'static str, usize>,
    /// Whether it is between the entry of a call and its exit.
    inside: bool,
}

enum Step {
    Entered,
    Left { may_change: bool },
    Ended(End),
}

impl Tracee {
    /// A process that is about to stop, since it was executed after PTRACE_TRACEME.
    fn new(pid: Pid) -> Tracee {
        let tracee = Tracee { pid, calls: Vec::new(), counts: HashMap::new(), inside: false };
        let WaitStatus::Stopped(_, Signal::SIGTRAP) = tracee.wait() else {
            panic!("process {pid} did not stop at execve")
        };
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_EXITKILL
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK;
        ptrace::setoptions(pid, options).expect("a stopped tracee takes options");
        tracee
    }

    fn wait(&self) -> WaitStatus {
        waitpid(self.pid, Some(WaitPidFlag::__WALL)).expect("the process is this one's child")
    }

    /// On to the next stop. A signal of its own, as SIGABRT, is passed on.
    fn step(&mut self, plan: &Plan) -> Step {
        let mut signal = None;
        loop {
            // A killed one is gone at once: what there is to see then is its end.
            let _ = ptrace::syscall(self.pid, signal.take());
            match self.wait() {
                WaitStatus::PtraceSyscall(_) if self.inside => return self.leave(),
                WaitStatus::PtraceSyscall(_) => return self.enter(plan),
                WaitStatus::Exited(_, code) => return Step::Ended(End::Code(code)),
                WaitStatus::Signaled(_, signal, _) => return Step::Ended(End::Signal(signal)),
                WaitStatus::Stopped(_, own) => signal = Some(own),
                other => panic!("only one process can be followed: {other:?}"),
            }
        }
    }

    fn enter(&mut self, plan: &Plan) -> Step {
        let mut registers = ptrace::getregs(self.pid).expect("a stopped tracee has registers");
        let args = [registers.rdi, registers.rsi];
        let row = calls::row(registers.orig_rax, args);
        let nth = self.counts.entry(row.name).or_default();
        *nth += 1;
        let effect = plan.effect(row.name, *nth);
        self.calls.push(Call { row, nth: *nth, first: args[0], effect });
        self.inside = true;
        let endless = self.calls.len() > MOST_CALLS;
        if effect == Some(Effect::Kill) || endless {
            assert!(!endless, "it makes more than {MOST_CALLS} syscalls");
            nix::sys::signal::kill(self.pid, Signal::SIGKILL).expect("it is this one's child");
        } else if effect.is_some() {
            // No syscall has this number, so none is made.
            registers.orig_rax = u64::MAX;
            ptrace::setregs(self.pid, registers).expect("a stopped tracee takes registers");
        }
        Step::Entered
    }

    fn leave(&mut self) -> Step {
        self.inside = false;
        let call = self.calls.last().expect("one was entered");
        if let Some(Effect::Error(errno)) = call.effect {
            let mut registers = ptrace::getregs(self.pid).expect("a stopped tracee has registers");
            registers.rax = i64::from(-(errno as i32)).cast_unsigned();
            ptrace::setregs(self.pid, registers).expect("a stopped tracee takes registers");
        }
        Step::Left { may_change: call.row.changes && call.effect.is_none() }
    }
}
