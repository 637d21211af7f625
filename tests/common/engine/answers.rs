//! What a container's own system calls are answered.

use std::fmt::Write;

/// What the kernel said to an open(2) or mknod(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done, or would have been: the device program comes before the driver, and there
    /// may be no such device.
    Passed,
    /// EPERM.
    Refused,
}

/// Steps of a container with the answers they get, in order. A step is `r PATH`, `w PATH` or
/// `rw PATH` for an open(2), `m PATH TYPE MAJOR MINOR` for a mknod(2).
pub type Steps = [(&'static str, Answer)];

/// The line after the answers.
pub const READY: &str = "ready";

/// Functions of the container's shell, one for each kind of step. `:` with a redirection opens, and neither reads nor writes.
pub const FUNCTIONS: &str = r#"
say() { echo "$1=${2##*: }"; }
r() { say "r $1" "$( (: < "$1") 2>&1)"; }
w() { say "w $1" "$( (: > "$1") 2>&1)"; }
rw() { say "rw $1" "$( (: <> "$1") 2>&1)"; }
m() { say "m $*" "$(mknod "$@" 2>&1)"; }
"#;

/// A shell script that takes the steps, prints their answers and [`READY`], and then runs until
/// its standard input is closed.
pub fn script(steps: &Steps) -> String {
    let mut script = FUNCTIONS.to_owned();
    for (step, _) in steps {
        writeln!(script, "{step}").expect("a String takes everything");
    }
    script + "echo " + READY + "; read -r line\n"
}

/// Reads a line of the script's output.
pub fn parse(line: &str) -> (&str, Answer) {
    match line.split_once('=') {
        // ENXIO and ENODEV: there is no driver, or for /dev/tty no terminal.
        Some((step, "" | "No such device or address" | "No such device")) => (step, Answer::Passed),
        Some((step, "Operation not permitted")) => (step, Answer::Refused),
        _ => panic!("not an answer: {line:?}"),
    }
}

/// Asserts that these lines are the steps' answers.
#[track_caller]
pub fn assert_answers<'l>(lines: impl IntoIterator<Item = &'l str>, steps: &Steps) {
    let answers: Vec<(&str, Answer)> = lines.into_iter().map(parse).collect();
    assert_eq!(answers, steps);
}
