//! The arguments, as clap takes them.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use super::asked::Asked;
use super::attach_options::AttachOptions;
use super::doctor::Doctor;
use super::gc::Gc;
use super::guard::{self, Guard};
use super::hook_options::HookOptions;
use super::install::args as install;
pub use super::modes::{CompileFormat, DefaultDevicesMode, StageMode};
use super::record::args::Record;
use super::target::Target;
use super::watch::{self, Watch};
use super::{denials, grant, granted, history, metrics, observe, update};

/// Makes a container's cgroup v2 device access exactly what its config.json says.
///
/// Without a command, and with standard input not a terminal, it is `devgate hook`.
///
/// Exit codes: 0 done; 1 bad input, or it could not be done; 2 bad usage; 3 a request that was
/// checked is denied, or `grant`: another program denies the device too, or `observe status`: nothing
/// is observed; 4 `doctor` found something degraded.
#[derive(Debug, Parser)]
#[command(name = "devgate", version, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
}

const HOOK_ABOUT: &str = "The OCI hook: enforce a container's rules on its cgroup (createRuntime), and \
    remove what is kept for it (poststop)";
const HOOK_EXAMPLES: &str = "Examples:\n\
\x20 devgate hook --log /var/lib/devgate/devgate.log < state.json\n\
\x20 cat state.json config.json | devgate hook --dry-run";

/// `devgate hook` on its own.
#[derive(Debug, Parser)]
#[command(bin_name = "devgate hook", about = HOOK_ABOUT, after_help = HOOK_EXAMPLES)]
pub struct HookAlone {
    #[command(flatten)]
    pub hook: Hook,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(about = HOOK_ABOUT, after_help = HOOK_EXAMPLES)]
    Hook(Hook),
    /// Enforce a config.json's rules on a cgroup
    #[command(after_help = "Example:\n\
\x20 devgate apply --cgroup /sys/fs/cgroup/x --config config.json")]
    Apply(Apply),
    /// Show what may be opened in a cgroup, and by which programs
    #[command(after_help = "Examples:\n\
\x20 devgate inspect 630b76a2f65f\n\
\x20 devgate inspect --pid 4711 --rules\n\
\x20 devgate inspect /sys/fs/cgroup/system.slice/x.service --asm")]
    Inspect(Inspect),
    /// Watch what containers are denied, live, and which program and rule deny it
    #[command(after_help = watch::HELP)]
    Watch(Watch),
    /// List every cgroup with a device program of its own
    #[command(after_help = "Examples:\n\
\x20 devgate ls\n\
\x20 devgate ls --cgroup /sys/fs/cgroup/machine.slice --json")]
    Ls(Ls),
    /// Detach a device program from a cgroup
    #[command(after_help = "Example:\n\
\x20 devgate detach --cgroup /sys/fs/cgroup/x --id 53")]
    Detach(Detach),
    /// Say what a config.json's rules, or a cgroup's programs, answer to requests
    #[command(after_help = "Examples:\n\
\x20 devgate check --config config.json 'c 1:3 rw' 'b 8:0 r'\n\
\x20 devgate check --container 630b76a2f65f /dev/fuse:rw\n\
\x20 devgate check --container 630b76a2f65f --diff --config config.json")]
    Check(Check),
    /// Show the program that a config.json's rules compile to
    #[command(after_help = "Examples:\n\
\x20 devgate compile --config config.json\n\
\x20 devgate compile --config config.json --format raw > program.bin")]
    Compile(Compile),
    /// Let a running container use a device
    #[command(after_help = grant::GRANT_HELP)]
    Grant(grant::GrantArgs),
    /// Take a device from a running container
    #[command(after_help = grant::REVOKE_HELP)]
    Revoke(grant::RevokeArgs),
    /// List the grants and revocations of running containers
    #[command(after_help = granted::GRANTS_HELP)]
    Grants(granted::GrantsArgs),
    /// Give a running container a whole new policy
    #[command(after_help = update::HELP)]
    Update(update::UpdateArgs),
    /// List every change of a running container's policy
    #[command(after_help = history::HELP)]
    History(history::HistoryArgs),
    /// Forget what `grant --keep` keeps for a container
    #[command(after_help = granted::FORGET_HELP)]
    Forget(granted::ForgetArgs),
    /// Learn the smallest policy that a container needs
    ///
    /// It is recorded what a container asks for, and shown as rules that allow just that.
    #[command(
        disable_help_subcommand = true,
        after_help = "Example:\n\
\x20 devgate record show web --format table"
    )]
    Record(Record),
    /// Register the hook with a container engine
    #[command(after_help = install::INSTALL_EXAMPLES)]
    Install(install::Install),
    /// Remove the hook from a container engine
    #[command(after_help = install::UNINSTALL_EXAMPLES)]
    Uninstall(install::Uninstall),
    /// Keep the policies of running containers in force: a daemon
    #[command(after_help = guard::EXAMPLES)]
    Guard(Guard),
    /// Examine this machine: one line a finding, with its remedy
    #[command(after_help = "Exit codes: 0 healthy; 4 degraded; 1 broken.\n\n\
Examples:\n\
\x20 devgate doctor\n\
\x20 devgate doctor kernel cgroup --json")]
    Doctor(Doctor),
    /// Remove pins and records of containers that ended
    ///
    /// A runtime that was killed does not call the hook at poststop. This removes what was left,
    /// but nothing of a container whose cgroup exists. Recordings are written first.
    #[command(after_help = "Examples:\n\
\x20 devgate gc\n\
\x20 devgate gc --dry-run --json")]
    Gc(Gc),
    /// Print numbers for Prometheus, or serve them
    #[command(after_help = metrics::EXAMPLES)]
    Metrics(metrics::Metrics),
    /// Count what containers ask for and are denied, without a process that runs on
    #[command(after_help = observe::HELP)]
    Observe(observe::Observe),
    /// Show what was denied since `observe start`
    #[command(after_help = denials::HELP)]
    Denials(denials::Denials),
    /// See it work on a cgroup and a child process of its own
    #[command(after_help = "Example:\n\
\x20 devgate demo")]
    Demo(Demo),
    /// Print a shell's completions
    #[command(after_help = "Example:\n\
\x20 devgate completions bash > /etc/bash_completion.d/devgate")]
    Completions(Completions),
    /// Write the man pages into a directory
    #[command(hide = true)]
    Man(Man),
}

#[derive(Debug, Default, ClapArgs)]
pub struct Hook {
    #[command(flatten)]
    pub options: HookOptions,
    /// The stage at which the runtime calls the hook. Without it, a state with the status "stopped"
    /// means poststop
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<StageMode>,
    /// Print the policy, the program and the plan; change nothing, look up no process
    #[arg(long)]
    pub dry_run: bool,
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
    #[command(flatten)]
    pub attach: AttachOptions,
}

#[derive(Debug, ClapArgs)]
pub struct Inspect {
    #[command(flatten)]
    pub target: Target,
    /// A process id, a cgroup2 directory, or the beginning of a container's id
    #[arg(value_name = "WHAT", required_unless_present_any = ["cgroup", "pid", "container"],
          conflicts_with_all = ["cgroup", "pid", "container"])]
    pub what: Option<String>,
    /// As one JSON object
    #[arg(long, conflicts_with = "rules")]
    pub json: bool,
    /// The effective policy alone, as a linux.resources.devices array
    #[arg(long)]
    pub rules: bool,
    /// Each program's instructions too
    #[arg(long, conflicts_with = "rules")]
    pub asm: bool,
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
#[command(group(clap::ArgGroup::new("against").args(["config", "cgroup", "pid", "container"])
    .multiple(true).required(true)))]
pub struct Check {
    /// The config.json whose rules are asked; - for standard input
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the base rules (/dev/null and its like) go
    #[arg(long, value_name = "MODE", default_value = "base")]
    pub default_devices: DefaultDevicesMode,
    #[command(flatten)]
    pub target: Target,
    /// Compare what the cgroup's programs allow with the config; exit 3 if they differ
    #[arg(long, requires = "config", conflicts_with_all = ["request", "requests"])]
    pub diff: bool,
    /// JSON: an object for each request
    #[arg(long)]
    pub json: bool,
    /// Read requests from this file, one a line; - for standard input
    #[arg(long, value_name = "FILE")]
    pub requests: Option<PathBuf>,
    /// Like 'c 1:3 rw' (type, numbers, access; - for none), or /dev/null:rw
    #[arg(value_name = "REQUEST", required_unless_present_any = ["requests", "diff"])]
    pub request: Vec<Asked>,
}

impl Check {
    /// The rules that are asked, if any are.
    pub fn rules(&self) -> Option<Rules> {
        let config = self.config.clone()?;
        Some(Rules { config, default_devices: self.default_devices })
    }
}

#[derive(Debug, ClapArgs)]
pub struct Ls {
    /// Only this cgroup2 directory and those below it
    #[arg(long, value_name = "DIR")]
    pub cgroup: Option<PathBuf>,
    /// As a JSON array
    #[arg(long)]
    pub json: bool,
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

#[derive(Debug, ClapArgs)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub struct Man {
    /// The directory, which is made if need be
    pub dir: PathBuf,
}
