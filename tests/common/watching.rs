//! `devgate watch` while it runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// It is ended when this is dropped.
pub struct Watching {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
    seen: Vec<String>,
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

impl Watching {
    /// Starts a command that is `devgate watch`, and waits until it watches.
    #[track_caller]
    pub fn start(command: &mut Command) -> Watching {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command can be started");
        let stdout = lines(child.stdout.take().expect("standard output is a pipe"));
        let errors = lines(child.stderr.take().expect("standard error is a pipe"));
        let watching = Watching { child, lines: stdout, errors, seen: Vec::new() };
        let line = watching.error();
        assert!(line.starts_with("devgate: watches "), "{line}");
        watching
    }

    /// The next line of standard error.
    #[track_caller]
    pub fn error(&self) -> String {
        self.errors.recv_timeout(PATIENCE).expect("it says something")
    }

    /// The next line of standard output.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|why| panic!("{why}, after {:#?}", self.seen))
    }

    /// The next object of which this holds.
    #[track_caller]
    pub fn object(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let line = self.line();
            let value: Value = serde_json::from_str(&line).expect("a line is one JSON object");
            self.seen.push(line);
            if is_it(&value) {
                return value;
            }
        }
        panic!("no such object among {:#?}", self.seen);
    }

    /// Sends it a signal, and waits until it has ended. Its exit code, and what it printed since.
    #[track_caller]
    pub fn end(&mut self, signal: Signal) -> (Option<i32>, Vec<String>) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it runs");
        let code = self.wait();
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => return (code, rest),
                Err(RecvTimeoutError::Timeout) => panic!("its output goes on"),
            }
        }
    }

    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it can be waited for").code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
