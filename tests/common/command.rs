//! Running the devgate binary.

use std::fmt;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

/// What a run of devgate came to.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the output is text")
    }

    /// Standard output of a run that went well.
    pub fn success(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.text()
    }

    /// The one line behind `devgate: ` of a run that failed and printed nothing else.
    pub fn failure(&self) -> &str {
        assert_eq!((self.code, self.text()), (Some(1), ""), "{self:?}");
        self.complaint()
    }

    /// The one line behind `devgate: ` on standard error.
    pub fn complaint(&self) -> &str {
        let line = self.stderr.strip_suffix('\n').and_then(|line| line.strip_prefix("devgate: "));
        match line {
            Some(line) if !line.contains(char::is_control) => line,
            _ => panic!("standard error is not one line of devgate's: {self:?}"),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(f, "exit code {:?}, stdout:\n{stdout}\nstderr:\n{}", self.code, self.stderr)
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        let stderr = String::from_utf8(output.stderr).expect("messages are text");
        Run { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

/// devgate with these arguments, ready to be changed.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devgate"));
    command.args(args);
    command
}

/// Runs devgate with `input` on standard input.
pub fn devgate(args: &[&str], input: impl AsRef<[u8]>) -> Run {
    run(&mut command(args), input)
}

/// Runs a command with `input` on standard input.
pub fn run(command: &mut Command, input: impl AsRef<[u8]>) -> Run {
    finish(start(command), input)
}

/// Starts a command with pipes.
pub fn start(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the command can be started")
}

/// Gives `input` to a command that was started, and waits for it.
pub fn finish(mut child: Child, input: impl AsRef<[u8]>) -> Run {
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let input = input.as_ref();
    let output = thread::scope(|scope| {
        // It may well end before it has read everything.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("the command can be waited for")
    });
    output.into()
}
