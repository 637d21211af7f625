//! A proof that an engine runs the hook: a tiny container that is started through it, and what
//! the hook left on that container's cgroup and in its log.
//!
//! What was started is removed again, also after an error or an interruption.

mod command;
mod cri;
mod evidence;
mod podman;
mod probe;

use std::fmt;
use std::path::Path;

use super::{Finding, Group, Level, Scope};
use crate::install::{Binary, CDI_DEVICE, CDI_KIND, CONFIG, Engine, Found, containerd_handlers};
use evidence::{Evidence, Log};
use probe::Probe;

pub use probe::wait as probe;

const HERE: Group = Group::Engines;

/// A container that runs. It goes when this is dropped; [`Container::end`] tells what is left.
trait Container {
    /// Its id.
    fn id(&self) -> &str;
    /// Removes it.
    ///
    /// # Errors
    /// What is left, in words.
    fn end(self: Box<Self>) -> Result<(), String>;
}

/// Why there is no container to look at.
enum NoContainer {
    /// There is no way to start one from here.
    Impossible(String),
    /// The engine failed to start it.
    Failed(String),
    /// The operator wants it to end.
    Interrupted,
}

impl fmt::Display for NoContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoContainer::Impossible(why) => write!(f, "can't be proven from here: {why}"),
            NoContainer::Failed(why) => write!(f, "the engine started no container: {why}"),
            NoContainer::Interrupted => f.write_str("the proof was interrupted"),
        }
    }
}

/// Who asks for a proof takes the engine to be there.
pub(super) fn not_installed(engine: Engine) -> Finding {
    HERE.degraded(engine.name(), "not installed, so there is nothing to prove", "install it")
}

/// Replaces what was found of a registration by what a container shows. What is amiss already
/// needs no proof.
pub(super) fn proven(scope: &Scope, found: &[Found], findings: Vec<Finding>) -> Vec<Finding> {
    let is_sound = findings.iter().all(|finding| finding.level <= Level::Registered);
    match found {
        [first, ..] if is_sound => vec![finding(scope, first)],
        _ => findings,
    }
}

fn finding(scope: &Scope, found: &Found) -> Finding {
    let name = found.engine.name();
    let place = format!("registered in {}", found.file.display());
    let log = Log::new(found.registration.log());
    let container = match start(scope, found) {
        Ok(container) => container,
        Err(why) => {
            let failure = log.failure().filter(|_| matches!(why, NoContainer::Failed(_)));
            return match failure {
                Some(line) => {
                    let remedy = format!("the hook's log says why: {line}");
                    HERE.broken(name, format!("{place}: {why}"), remedy)
                }
                None => {
                    let remedy = "start a container, and look into the hook's log";
                    HERE.degraded(name, format!("{place}: {why}"), remedy)
                }
            };
        }
    };
    let id = container.id().to_owned();
    let evidence = Evidence::of(&id, &log);
    let left = container.end();
    let finding = judged(name, &place, &id, &evidence);
    match left {
        Err(what) if finding.level < Level::Degraded => {
            HERE.degraded(name, format!("{}; {what}", finding.found), "remove it by hand")
        }
        _ => finding,
    }
}

fn judged(name: &'static str, place: &str, id: &str, evidence: &Evidence) -> Finding {
    let short = id.get(..12).unwrap_or(id);
    let remedy = "restart the engine, and look for \"hook\" in its log";
    match evidence {
        Evidence::Both { program, cgroup } => HERE.ok(
            name,
            format!(
                "{place}, and proven: container {short} had program {program} on {} and a line in \
                 the hook's log",
                cgroup.display()
            ),
        ),
        Evidence::Program { program, cgroup, why_no_line } => {
            let text = format!(
                "{place}: container {short} had program {program} on {}, {why_no_line}",
                cgroup.display()
            );
            match why_no_line {
                evidence::NoLine::NoLog => HERE.ok(name, text),
                evidence::NoLine::Missing(_) => {
                    HERE.degraded(name, text, "see whether the hook can write to its log")
                }
            }
        }
        Evidence::None { what } => HERE.broken(
            name,
            format!("{place}, but {name} started container {short} without it: {what}"),
            remedy,
        ),
        Evidence::Unknown { why } => {
            HERE.degraded(name, format!("{place}: container {short} ran, but {why}"), remedy)
        }
    }
}

/// A program of the engine's, which root is to run: so it must be root's alone.
fn sound(scope: &Scope, program: &Path) -> Result<(), NoContainer> {
    let impossible = |why: String| NoContainer::Impossible(why);
    let binary = Binary::new(program).map_err(|error| impossible(error.to_string()))?;
    match binary.flaw(&scope.root) {
        None => Ok(()),
        Some(flaw) => Err(impossible(format!("{}: {flaw}", program.display()))),
    }
}

fn start<'s>(scope: &'s Scope, found: &Found) -> Result<Box<dyn Container + 's>, NoContainer> {
    let impossible = |why: &str| NoContainer::Impossible(why.to_owned());
    if !scope.root.is_here() {
        return Err(impossible("the engine is another machine's"));
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(impossible("only root can start such a container"));
    }
    if found.is_selective {
        return Err(impossible("the hook runs for some containers only (its \"when\")"));
    }
    let probe = Probe::new().map_err(|error| NoContainer::Failed(error.to_string()))?;
    match found.engine {
        Engine::Podman => podman::start(scope, &probe, &[]),
        Engine::Cdi => {
            let device = format!("{CDI_KIND}={CDI_DEVICE}");
            podman::start(scope, &probe, &["--device", &device])
        }
        Engine::Crio => cri::start(scope, &probe, cri::CRIO, None),
        Engine::Nri if Engine::Containerd.program(&scope.root).is_none() => {
            cri::start(scope, &probe, cri::CRIO, None)
        }
        Engine::Nri => cri::start(scope, &probe, cri::CONTAINERD, None),
        Engine::Containerd => {
            let config = Path::new(CONFIG);
            let handlers = containerd_handlers(&scope.root, config, &found.file);
            let handlers = handlers.map_err(|error| NoContainer::Failed(error.to_string()))?;
            cri::start(scope, &probe, cri::CONTAINERD, handlers.first().map(String::as_str))
        }
    }
}
