//! The arguments, as clap takes them.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use devgate::device::Request;
use devgate::hook::{LogFormat, Options, Rootless};
use devgate::kernel::Stale;
use devgate::policy::DefaultDevices;

/// Makes a container's cgroup v2 device access exactly what its config.json says.
///
/// Without a command, and with standard input not a terminal, it is `devgate hook`.
///
/// Exit codes: 0 done; 1 bad input, or it could not be done; 2 bad usage; 3 a request that was
/// checked is denied.
#[derive(Debug, Parser)]
#[command(name = "devgate", version, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The OCI createRuntime hook: enforce a container's rules on its cgroup
    Hook(Hook),
    /// Enforce a config.json's rules on a cgroup
    Apply(Apply),
    /// Show the device programs that are attached to a cgroup
    Inspect(Inspect),
    /// Detach a device program from a cgroup
    Detach(Detach),
    /// Say what a config.json's rules answer to requests
    Check(Check),
    /// Show the program that a config.json's rules compile to
    Compile(Compile),
    /// See it work on a cgroup and a child process of its own
    Demo(Demo),
}

/// Where the base rules (/dev/null and its like) go
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum DefaultDevicesMode {
    /// Behind the last rule that denies everything: explicit rules win
    #[default]
    Base,
    /// Behind all rules, as runc and crun do: they win over explicit rules
    Append,
    /// Nowhere
    None,
}

impl From<DefaultDevicesMode> for DefaultDevices {
    fn from(mode: DefaultDevicesMode) -> DefaultDevices {
        match mode {
            DefaultDevicesMode::Base => DefaultDevices::Base,
            DefaultDevicesMode::Append => DefaultDevices::Append,
            DefaultDevicesMode::None => DefaultDevices::None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum StaleMode {
    /// Every other program attached directly to the cgroup
    #[default]
    All,
    /// Programs named devgate
    Own,
    /// None
    None,
}

impl From<StaleMode> for Stale {
    fn from(mode: StaleMode) -> Stale {
        match mode {
            StaleMode::All => Stale::All,
            StaleMode::Own => Stale::Own,
            StaleMode::None => Stale::None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum RootlessMode {
    /// Warn, and let the container start without a program of ours
    #[default]
    Warn,
    /// Fail, so that the container does not start
    Fail,
}

impl From<RootlessMode> for Rootless {
    fn from(mode: RootlessMode) -> Rootless {
        match mode {
            RootlessMode::Warn => Rootless::Warn,
            RootlessMode::Fail => Rootless::Fail,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum LogFormatMode {
    /// key=value
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

impl From<LogFormatMode> for LogFormat {
    fn from(mode: LogFormatMode) -> LogFormat {
        match mode {
            LogFormatMode::Text => LogFormat::Text,
            LogFormatMode::Json => LogFormat::Json,
        }
    }
}

#[derive(Debug, Default, ClapArgs)]
pub struct Hook {
    /// Where the base rules (/dev/null and its like) go
    #[arg(long, value_name = "MODE", default_value = "base")]
    pub default_devices: DefaultDevicesMode,
    /// Which programs give way to the new one
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub stale: StaleMode,
    /// What to do in a user namespace, where the kernel loads no device programs
    #[arg(long, value_name = "WHAT", default_value = "warn")]
    pub rootless: RootlessMode,
    /// Append a line about each run to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How that line is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormatMode,
    /// Print the policy, the program and the plan; change nothing, look up no process
    #[arg(long)]
    pub dry_run: bool,
}

impl Hook {
    pub fn options(&self) -> Options {
        Options {
            default_devices: self.default_devices.into(),
            stale: self.stale.into(),
            rootless: self.rootless.into(),
        }
    }
}

#[derive(Debug, ClapArgs)]
pub struct Rules {
    /// The config.json; - for standard input
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where the base rules (/dev/null and its like) go
    #[arg(long, value_name = "MODE", default_value = "base")]
    pub default_devices: DefaultDevicesMode,
}

#[derive(Debug, ClapArgs)]
pub struct Apply {
    /// The cgroup2 directory
    #[arg(long, value_name = "DIR")]
    pub cgroup: PathBuf,
    #[command(flatten)]
    pub rules: Rules,
    /// Which programs give way to the new one
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub stale: StaleMode,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// A cgroup2 directory
    #[arg(long, value_name = "DIR")]
    pub cgroup: Option<PathBuf>,
    /// The cgroup of this process
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
}

#[derive(Debug, ClapArgs)]
pub struct Inspect {
    #[command(flatten)]
    pub target: Target,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Detach {
    /// The cgroup2 directory
    #[arg(long, value_name = "DIR")]
    pub cgroup: PathBuf,
    /// The program's id
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u32).range(1..))]
    pub id: u32,
}

#[derive(Debug, ClapArgs)]
pub struct Check {
    #[command(flatten)]
    pub rules: Rules,
    /// A JSON object for each request
    #[arg(long)]
    pub json: bool,
    /// Read requests from this file, one a line; - for standard input
    #[arg(long, value_name = "FILE")]
    pub requests: Option<PathBuf>,
    /// Like 'c 1:3 rw': type, numbers, access (- for none)
    #[arg(value_name = "REQUEST", required_unless_present = "requests")]
    pub request: Vec<Request>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum CompileFormat {
    /// A commented listing
    #[default]
    Text,
    /// A JSON object: instructions, longest_path, bytes (base64), rules
    Json,
    /// The instructions' bytes
    Raw,
}

#[derive(Debug, ClapArgs)]
pub struct Compile {
    #[command(flatten)]
    pub rules: Rules,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: CompileFormat,
}

#[derive(Debug, ClapArgs)]
pub struct Demo {
    /// Be the child: open devices as standard input says
    #[arg(long, hide = true)]
    pub child: bool,
}
