//! Registering the hook with container engines, and finding out where it is registered.
//!
//! An installer works out a [`Plan`]: the files it would write or remove. Nothing is touched
//! before [`Plan::apply`], and every file is replaced in one step (rename(2)).

mod binary;
mod cdi;
mod containerd;
mod diff;
mod document;
mod engine;
mod found;
mod hooks_dir;
mod hooks_setting;
mod log;
mod plan;
mod programs;
mod regex;
mod registration;
mod root;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::ReadError;

pub use binary::{Binary, Flaw, exposed};
pub use cdi::{CDI_DEVICE, CDI_KIND, Cdi};
pub use containerd::{
    Apply, CONFIG, Containerd, Major, RUNC, SpecSource, handlers as containerd_handlers,
    warnings as containerd_warnings,
};
pub use engine::Engine;
pub use found::{Found, Search, find};
pub use hooks_dir::{Condition, HooksDir, When, WhenError};
pub use log::{LogFlaw, log_flaw};
pub use plan::{Change, Foreign, Plan, Step};
pub use programs::find_program;
pub use registration::{OPTIONS, RECORD, Registration};
pub use root::Root;

/// A path as a registration can have it: engines read it from JSON, and from anywhere.
///
/// # Errors
/// [`InstallError::BadPath`]
pub fn registrable<'p>(what: &'static str, path: &'p Path) -> Result<&'p str, InstallError> {
    let text = path.to_str().filter(|_| path.is_absolute());
    text.ok_or_else(|| InstallError::BadPath { what, path: path.to_owned() })
}

/// Why the hook can't be registered, or not taken out again. Nothing was changed, unless it is
/// [`InstallError::Write`] or [`InstallError::Changed`].
#[derive(Debug, Error)]
pub enum InstallError {
    /// A file can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// A file was changed by somebody else in the meantime.
    #[error("{} was changed meanwhile", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file can't be written or removed. Those before it in the plan are done.
    #[error("{} can't be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A path that goes into a registration, and is not absolute, or not UTF-8.
    #[error("{what} {} is not an absolute path in UTF-8", path.display())]
    BadPath {
        /// What the path is for.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// The binary is none for an engine to run as root.
    #[error("binary {}: {flaw}", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The hook would not write this log, and no container would start.
    #[error("log {}: {flaw}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: LogFlaw,
    },
    /// There is a file, and it is not one of devgate's.
    #[error("{} is there and is not devgate's; --force overwrites it", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file that is no TOML.
    #[error("{} is not TOML: {problem}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, and what the parser says.
        problem: String,
    },
    /// The engine runs no hooks.
    #[error("{engine}'s configuration turns hooks off (hooks_dir = [])")]
    HooksOff {
        /// The engine.
        engine: &'static str,
    },
    /// None of the directories that hooks are read from can be written to, and a file that is read
    /// after our drop-in names them.
    #[error(
        "{} can't be written to, and a drop-in that adds {} would be overruled by {}: add that \
         directory to it, and name it with --hooks-dir",
        last.display(), added.display(), file.display()
    )]
    Overruled {
        /// The file.
        file: PathBuf,
        /// The last directory that it names.
        last: PathBuf,
        /// The directory that could be written to.
        added: PathBuf,
    },
    /// A TOML value that is not what the engine takes there.
    #[error("{}: {key} is not a table", path.display())]
    NotATable {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A config.toml of a version that has no such table.
    #[error(
        "{}: version {version} is not supported, only 2 and 3; `containerd config migrate` prints \
         it as a newer one",
        path.display()
    )]
    ConfigVersion {
        /// The file.
        path: PathBuf,
        /// Its version, as it is written.
        version: String,
    },
    /// A config.toml that has keys of one table in several places (`x.a`, then `y`, then `x.b`).
    #[error(
        "{} can't be edited without a change of its order: keys of one table are in several \
         places; edit it by hand (install without --apply prints the lines)",
        path.display()
    )]
    Reorders {
        /// The file.
        path: PathBuf,
    },
    /// A runtime that the config.toml does not have.
    #[error("{}: there is no runtime {handler} with a runtime_type", path.display())]
    NoRuntime {
        /// The config.toml.
        path: PathBuf,
        /// The runtime.
        handler: String,
    },
    /// The runtime has a base spec already.
    #[error(
        "{}: runtime {handler} has the base_runtime_spec {spec} already; --spec FILE --force \
         puts one with the hook added in its place",
        path.display()
    )]
    OtherSpec {
        /// The config.toml.
        path: PathBuf,
        /// The runtime.
        handler: String,
        /// Its base spec.
        spec: String,
    },
    /// Without its base spec containerd would start no container.
    #[error(
        "{} still names {}; --apply takes it out",
        config.display(), spec.display()
    )]
    StillNamed {
        /// The config.toml.
        config: PathBuf,
        /// The base spec.
        spec: PathBuf,
    },
    /// A base spec that is no runtime-spec document.
    #[error("{origin} is not a runtime spec: {problem}")]
    Spec {
        /// A file or a command.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Below a prefix nothing is run, and nothing says which default base spec is the right one.
    #[error(
        "which major version of containerd is below the prefix can't be told: {problem}; \
         --containerd-major says it, --spec FILE does without it"
    )]
    UnknownMajor {
        /// Why.
        problem: String,
    },
    /// A command can't be run, or not to its end.
    #[error("{command} failed; --spec FILE does without it")]
    Command {
        /// The command.
        command: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A command is none for root to run.
    #[error("{command} is not run: {}: {flaw}; --spec FILE does without it", path.display())]
    CommandFlaw {
        /// The command.
        command: &'static str,
        /// Its program.
        path: PathBuf,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A command failed.
    #[error("{command} failed ({status}): {stderr}")]
    CommandFailed {
        /// The command.
        command: &'static str,
        /// How.
        status: std::process::ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// No engine to register the hook with.
    #[error("no container engine is installed below {}", root.display())]
    NoEngine {
        /// Below what.
        root: PathBuf,
    },
}
