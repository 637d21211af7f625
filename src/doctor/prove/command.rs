//! Commands of an engine, which end when they take too long or the operator wants them to.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::Scope;
use super::NoContainer;

/// How long an engine may take for a step.
const PATIENCE: Duration = Duration::from_secs(60);

const TICK: Duration = Duration::from_millis(20);

/// The most of its output that is read.
const MOST: u64 = 1 << 24;

/// A command in a process group of its own: an interruption from the terminal reaches this
/// process alone, which then cleans up.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.process_group(0).stdin(Stdio::null());
    command
}

/// Standard output of a command that has to succeed.
pub(super) fn output(scope: &Scope, command: &mut Command) -> Result<String, NoContainer> {
    let failed = |error: &io::Error| NoContainer::Failed(error.to_string());
    let out = tempfile::tempfile().map_err(|error| failed(&error))?;
    let err = tempfile::tempfile().map_err(|error| failed(&error))?;
    let clone = |file: &std::fs::File| file.try_clone().map_err(|error| failed(&error));
    command.stdout(clone(&out)?).stderr(clone(&err)?);
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let success = wait(scope, &mut child)?;
    match success {
        true => Ok(text(out)),
        false => Err(NoContainer::Failed(last_line(&text(err)))),
    }
}

/// Waits for a command: whether it succeeded.
pub(super) fn wait(scope: &Scope, child: &mut Child) -> Result<bool, NoContainer> {
    until(scope, || match child.try_wait() {
        Ok(status) => status.map(|status| Ok(status.success())),
        Err(error) => Some(Err(NoContainer::Failed(error.to_string()))),
    })
    .unwrap_or_else(|why| {
        // Both fail only if it has ended.
        let _ = child.kill();
        let _ = child.wait();
        Err(why)
    })
}

/// Asks again and again until there is an answer.
pub(super) fn until<A>(
    scope: &Scope,
    mut answer: impl FnMut() -> Option<A>,
) -> Result<A, NoContainer> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return Ok(answer);
        }
        if scope.interrupted.load(Ordering::Relaxed) {
            return Err(NoContainer::Interrupted);
        }
        if Instant::now() > end {
            return Err(NoContainer::Failed(format!("not within {} s", PATIENCE.as_secs())));
        }
        sleep(TICK);
    }
}

/// A file's content, from its beginning.
pub(super) fn text(mut file: std::fs::File) -> String {
    let mut bytes = Vec::new();
    let read = io::Seek::rewind(&mut file).and_then(|()| file.take(MOST).read_to_end(&mut bytes));
    // What can't be read is shown as far as it could be.
    drop(read);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Engines say in their last line what went wrong, some of them in logrus' form.
pub(super) fn last_line(text: &str) -> String {
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    let message = line.split_once("msg=\"").and_then(|(_, text)| text.strip_suffix('"'));
    message.map_or_else(|| line.to_owned(), |text| text.replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_what_went_wrong() {
        assert_eq!(last_line("Error: a\n\nError: b\n\n"), "Error: b");
        let logrus = r#"time="2026-11-24T13:56:10Z" level=error msg="image \"x\": none""#;
        assert_eq!(last_line(logrus), r#"image "x": none"#);
        assert_eq!(last_line(""), "it says nothing");
    }
}
