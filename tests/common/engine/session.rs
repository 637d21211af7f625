//! A container whose standard input and output the test holds.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::answers::{READY, Steps, assert_answers};
use super::place::Place;

/// A container that runs until its standard input is closed.
pub struct Session {
    engine: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: PathBuf,
}

/// How an engine ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Of the engine and the container.
    pub stderr: String,
}

impl Session {
    pub fn start(command: &mut Command, place: &Place) -> Session {
        let stderr = place.fresh_file("stderr");
        // A file, since an engine that detaches leaves the container behind with it.
        let file = File::create(&stderr).expect("a file can be made");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut engine = command.spawn().expect("the engine can be started");
        let stdin = engine.stdin.take();
        let lines = read_lines(engine.stdout.take().expect("standard output is a pipe"));
        Session { engine, stdin, lines, stderr }
    }

    /// The container takes these steps and gets these answers.
    #[track_caller]
    pub fn expect(&self, steps: &Steps) {
        assert_answers(self.answers().iter().map(String::as_str), steps);
    }

    /// What the container prints until it is ready: the answers to its steps.
    #[track_caller]
    pub fn answers(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) if line == READY => return lines,
                Ok(line) => lines.push(line),
                Err(why) => panic!("{why} after {lines:?}, stderr: {}", self.stderr()),
            }
        }
    }

    /// Waits for the engine's command, whatever its container does.
    pub fn wait(&mut self) -> Ended {
        let status = self.engine.wait().expect("the engine can be waited for");
        Ended { code: status.code(), stderr: self.stderr() }
    }

    /// Lets the container end, and waits for the engine's command.
    pub fn finish(&mut self) -> Ended {
        self.stdin = None;
        self.wait()
    }

    /// The engine failed, and the container never ran.
    #[track_caller]
    pub fn expect_failure(mut self, code: i32) -> String {
        let Ended { code: found, stderr } = self.finish();
        let lines: Vec<String> = self.lines.iter().collect();
        assert_eq!((found, &lines[..]), (Some(code), &[][..]), "{stderr}");
        stderr
    }

    fn stderr(&self) -> String {
        let bytes = fs::read(&self.stderr).expect("the file can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.engine.wait();
    }
}

/// The lines as they come.
fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
