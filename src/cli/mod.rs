//! The command line: arguments, text, JSON and exit codes.

mod args;
mod asked;
mod attach_options;
mod by_hand;
mod changed;
mod check;
mod colour;
mod compile;
mod config;
mod counted;
mod demo;
mod denials;
mod describe;
mod doctor;
mod ended;
mod gc;
mod grant;
mod granted;
mod guard;
mod history;
mod hook;
mod hook_options;
mod inspect;
mod install;
mod ls;
mod manual;
mod metrics;
mod modes;
mod names;
mod observe;
mod poststop;
mod record;
mod spec;
mod table;
mod target;
mod update;
mod watch;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, Parser};
use devgate::enforce::InForce;
use devgate::hook::stats::{Ended, Reason};
use devgate::kernel::Outcome;
use nix::unistd::geteuid;

use args::{Args, Command};

/// Every exit code there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; for `check`: every request is allowed.
    Success = 0,
    /// Bad input, or it could not be done; for `doctor`: something is broken.
    Failure = 1,
    /// Bad usage.
    Usage = 2,
    /// `check`: a request is denied, or can't be told; with `--diff`, they differ. `grant`: another
    /// program denies it as well. `observe status`: nothing is observed.
    Denied = 3,
    /// `doctor`: something is degraded, and nothing broken.
    Degraded = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let start = Instant::now();
    let args = match parse() {
        Ok(args) => args,
        Err(error) => {
            let help = !error.use_stderr();
            if !help && is_hook() {
                let ended = Ended::Failed(Reason::Usage);
                counted::count(None, ended, start.elapsed());
            }
            // Nothing is left to be done if the terminal is gone.
            let _ = error.print();
            return if help { Exit::Success } else { Exit::Usage }.into();
        }
    };
    let Some(command) = args.command else {
        let _ = Args::command().write_help(&mut io::stderr());
        return Exit::Usage.into();
    };
    let mut out = Vec::new();
    let changes = matches!(
        command,
        Command::Apply(_)
            | Command::Detach(_)
            | Command::Grant(_)
            | Command::Revoke(_)
            | Command::Update(_)
            | Command::Forget(_)
            | Command::Gc(_)
            | Command::Observe(_)
            | Command::Record(_)
    );
    let outcome = run(command, &mut out);
    let written = io::stdout().write_all(&out).and_then(|()| io::stdout().flush());
    match (outcome, written) {
        (Err(error), _) => {
            complain(&format!("{error:#}"));
            Exit::Failure.into()
        }
        // A reader who has seen enough is no failure.
        (Ok(exit), Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => exit.into(),
        (Ok(_), Err(error)) => {
            complain(&format!("standard output: {error}{}", lost(changes, &out)));
            Exit::Failure.into()
        }
        (Ok(exit), Ok(())) => exit.into(),
    }
}

/// What a command that changes something could not say about it.
fn lost(changes: bool, out: &[u8]) -> String {
    let out = String::from_utf8_lossy(out);
    match changes {
        true => format!("; this was done: {}", out.trim_end().replace('\n', "; ")),
        false => String::new(),
    }
}

/// A container waits for the hook: its arguments are parsed without setting up those of every
/// other command, and not at all if there are none.
fn parse() -> Result<Args, clap::Error> {
    let mut args = std::env::args_os().skip(1).peekable();
    let hook = |hook| Ok(Args { command: Some(Command::Hook(hook)) });
    match args.next() {
        None if !io::stdin().is_terminal() => hook(args::Hook::default()),
        Some(first) if first == "hook" && args.peek().is_none() => hook(args::Hook::default()),
        Some(first) if first == "hook" => {
            let args = [OsString::from("devgate hook")].into_iter().chain(args);
            hook(args::HookAlone::try_parse_from(args)?.hook)
        }
        _ => Args::try_parse(),
    }
}

/// Whether a runtime calls, most likely: a mistake in its registration lets no container start.
fn is_hook() -> bool {
    std::env::args_os().nth(1).is_some_and(|command| command == "hook")
}

fn run(command: Command, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    match command {
        Command::Hook(hook) => hook::run(&hook, out),
        Command::Apply(apply) => by_hand::apply(&apply, out),
        Command::Detach(detach) => by_hand::detach(&detach, out),
        Command::Inspect(inspect) => inspect::run(&inspect, out),
        Command::Ls(ls) => ls::run(&ls, out),
        Command::Check(check) => check::run(&check, out),
        Command::Compile(compile) => compile::run(&compile, out),
        Command::Grant(args) => grant::grant(&args, out),
        Command::Revoke(args) => grant::revoke(&args, out),
        Command::Grants(args) => granted::grants(&args, out),
        Command::Update(args) => update::run(&args, out),
        Command::History(args) => history::run(&args, out),
        Command::Forget(args) => granted::forget(&args, out),
        Command::Record(record) => record::run(&record, out),
        Command::Install(install) => install::install(&install, out),
        Command::Uninstall(uninstall) => install::uninstall(&uninstall, out),
        Command::Guard(guard) => guard::run(&guard),
        Command::Watch(watch) => watch::run(&watch),
        Command::Doctor(doctor) => doctor::run(&doctor, out),
        Command::Gc(gc) => gc::run(&gc, out),
        Command::Metrics(metrics) => metrics::run(&metrics, out),
        Command::Observe(observe) => observe::run(&observe, out),
        Command::Denials(denials) => denials::run(&denials, out),
        Command::Demo(demo) => demo::run(&demo, out),
        Command::Completions(completions) => Ok(manual::completions(&completions, out)),
        Command::Man(man) => manual::man_pages(&man),
    }
}

/// The program, what gave way to it, and what holds it.
fn put_in_force(out: &mut Vec<u8>, in_force: &InForce, insns: usize) -> io::Result<()> {
    let outcome = &in_force.outcome;
    writeln!(out, "attached program {} ({insns} instructions)", outcome.id)?;
    for id in &outcome.detached {
        writeln!(out, "detached program {id}")?;
    }
    if let Some(pin) = in_force.holding.pin() {
        writeln!(out, "held by link {}", pin.display())?;
    }
    for id in in_force.gating.detached() {
        writeln!(out, "detached program {id} of the unit")?;
    }
    Ok(())
}

/// Says on standard error what attaching could not do.
fn warn(outcome: &Outcome, warnings: &[String]) {
    for (id, reason) in &outcome.left {
        complain(&format!("warning: program {id} stays attached: it {reason}"));
    }
    for warning in warnings {
        complain(&format!("warning: {warning}"));
    }
}

/// One line on standard error, whatever is in the message: names and paths come from outside.
/// An error of who has no rights says what would help.
fn who_lacks_rights(needs: &'static str) -> impl FnOnce(anyhow::Error) -> anyhow::Error {
    move |error| if geteuid().is_root() { error } else { error.context(needs) }
}

fn complain(message: &str) {
    let line = format!("devgate: {}\n", describe::escaped(message));
    // There is nobody else to tell.
    let _ = io::stderr().write_all(line.as_bytes());
}
