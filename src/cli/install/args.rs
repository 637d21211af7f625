//! The arguments of `install` and `uninstall`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use devgate::install::{CONFIG, Condition, RUNC};

use crate::cli::hook_options::HookOptions;
use crate::cli::modes::{ContainerdMajor, InstalledEngine};

pub const INSTALL_EXAMPLES: &str = "Examples:\n\
\x20 devgate install podman --log /var/lib/devgate/devgate.log\n\
\x20 devgate install crio --when 'annotation=com.example.devices=^strict$'\n\
\x20 devgate install containerd --apply\n\
\x20 devgate install cdi --dry-run";
pub const UNINSTALL_EXAMPLES: &str = "Examples:\n\
\x20 devgate uninstall podman\n\
\x20 devgate uninstall auto --apply --binary /usr/bin/devgate";

#[derive(Debug, ClapArgs)]
pub struct Install {
    #[command(subcommand)]
    pub engine: InstallEngine,
}

#[derive(Debug, Subcommand)]
pub enum InstallEngine {
    /// A file in podman's hooks directory
    #[command(after_help = "Example:\n\
\x20 devgate install podman --log /var/lib/devgate/devgate.log")]
    Podman(InstallHooksDir),
    /// A file in CRI-O's hooks directory
    #[command(after_help = "Example:\n\
\x20 devgate install crio --when 'annotation=com.example.devices=^strict$'")]
    Crio(InstallHooksDir),
    /// A file in the hooks directory of NRI's hook-injector
    #[command(after_help = "Example:\n\
\x20 devgate install nri --when command=/bin/sh")]
    Nri(InstallHooksDir),
    /// A base runtime spec for containerd's CRI
    #[command(after_help = "Example:\n\
\x20 devgate install containerd --apply && systemctl restart containerd")]
    Containerd(InstallContainerd),
    /// A CDI device that containers can ask for
    #[command(after_help = "Example:\n\
\x20 devgate install cdi --dry-run")]
    Cdi(InstallCdi),
    /// Whichever of podman, crio and containerd are installed
    #[command(after_help = "Example:\n\
\x20 devgate install auto --among crio,containerd --prefix /host --apply \\\n\
\x20   --binary /opt/devgate/bin/devgate --copy-binary")]
    Auto(InstallAuto),
}

#[derive(Debug, ClapArgs)]
pub struct InstallHooksDir {
    /// When to run: always, annotation=KEY[=REGEX], command=REGEX, bind-mounts; all that are
    /// given have to hold, of several commands one
    #[arg(long, value_name = "CONDITION")]
    pub when: Vec<Condition>,
    /// The directory, if not the one that the engine's configuration names
    #[arg(long, value_name = "DIR")]
    pub hooks_dir: Option<PathBuf>,
    #[command(flatten)]
    pub hook: RegisteredHook,
    #[command(flatten)]
    pub writing: Writing,
}

#[derive(Debug, ClapArgs)]
pub struct InstallContainerd {
    /// The runtime spec that the hook is added to. Otherwise it is the base spec that is there, or
    /// what `ctr oci spec` prints; with --prefix, the default of the containerd there
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Add the hook to the default runtime spec of this containerd
    #[arg(long, value_name = "MAJOR", conflicts_with = "spec")]
    pub containerd_major: Option<ContainerdMajor>,
    #[command(flatten)]
    pub toml: ConfigToml,
    /// The runtime, as config.toml calls it
    #[arg(long, value_name = "NAME", default_value = RUNC)]
    pub handler: String,
    #[command(flatten)]
    pub hook: RegisteredHook,
    #[command(flatten)]
    pub writing: Writing,
}

#[derive(Debug, ClapArgs)]
pub struct InstallCdi {
    #[command(flatten)]
    pub dir: CdiDir,
    #[command(flatten)]
    pub hook: RegisteredHook,
    #[command(flatten)]
    pub writing: Writing,
}

#[derive(Debug, ClapArgs)]
pub struct InstallAuto {
    /// Which engines, if they are
    #[arg(long, value_name = "ENGINE", value_delimiter = ',',
          default_values = ["podman", "crio", "containerd"])]
    pub among: Vec<InstalledEngine>,
    #[command(flatten)]
    pub toml: ConfigToml,
    #[command(flatten)]
    pub hook: RegisteredHook,
    #[command(flatten)]
    pub writing: Writing,
}

#[derive(Debug, ClapArgs)]
pub struct Uninstall {
    #[command(subcommand)]
    pub engine: UninstallEngine,
}

#[derive(Debug, Subcommand)]
pub enum UninstallEngine {
    /// From podman's hooks directories
    #[command(after_help = "Example:\n\
\x20 devgate uninstall podman")]
    Podman(UninstallHooksDir),
    /// From CRI-O's hooks directories
    #[command(after_help = "Example:\n\
\x20 devgate uninstall crio --dry-run")]
    Crio(UninstallHooksDir),
    /// From the hooks directories of NRI's hook-injector
    #[command(after_help = "Example:\n\
\x20 devgate uninstall nri")]
    Nri(UninstallHooksDir),
    /// containerd's base runtime spec
    #[command(after_help = "Example:\n\
\x20 devgate uninstall containerd --apply && systemctl restart containerd")]
    Containerd(UninstallContainerd),
    /// The CDI device
    #[command(after_help = "Example:\n\
\x20 devgate uninstall cdi")]
    Cdi(UninstallCdi),
    /// From all of these
    #[command(after_help = "Example:\n\
\x20 devgate uninstall auto --apply --binary /usr/bin/devgate")]
    Auto(UninstallContainerd),
}

#[derive(Debug, ClapArgs)]
pub struct UninstallHooksDir {
    /// The directory, if not those that the engine's configuration names
    #[arg(long, value_name = "DIR")]
    pub hooks_dir: Option<PathBuf>,
    #[command(flatten)]
    pub only: Only,
    #[command(flatten)]
    pub writing: Writing,
}

#[derive(Debug, ClapArgs)]
pub struct UninstallContainerd {
    #[command(flatten)]
    pub toml: ConfigToml,
    #[command(flatten)]
    pub only: Only,
    #[command(flatten)]
    pub writing: Writing,
}

#[derive(Debug, ClapArgs)]
pub struct UninstallCdi {
    #[command(flatten)]
    pub dir: CdiDir,
    #[command(flatten)]
    pub only: Only,
    #[command(flatten)]
    pub writing: Writing,
}

/// The hook that is registered.
#[derive(Debug, ClapArgs)]
pub struct RegisteredHook {
    /// The program that the engine is to run, as it sees it; this one, if none is named
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// Put a copy of this program there first
    #[arg(long, requires = "binary", conflicts_with = "print")]
    pub copy_binary: bool,
    #[command(flatten)]
    pub options: HookOptions,
}

/// The registrations that are taken out.
#[derive(Debug, ClapArgs)]
pub struct Only {
    /// Only registrations of this program, as the engine sees it
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// Remove that program too, if nothing names it any more where engines look by their
    /// configuration; registrations in other places are not seen
    #[arg(long, requires = "binary")]
    pub remove_binary: bool,
}

#[derive(Debug, ClapArgs)]
pub struct ConfigToml {
    /// containerd's configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// Edit it; a copy is kept beside it
    #[arg(long)]
    pub apply: bool,
}

#[derive(Debug, ClapArgs)]
pub struct CdiDir {
    /// The directory of CDI specs
    #[arg(long, value_name = "DIR", default_value = "/etc/cdi")]
    pub cdi_dir: PathBuf,
}

/// Where and how files are written.
#[derive(Debug, ClapArgs)]
pub struct Writing {
    /// Do it for the machine whose / is here
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub prefix: PathBuf,
    /// Print what would be written; write nothing
    #[arg(long)]
    pub print: bool,
    /// Show the difference; write nothing
    #[arg(long, conflicts_with = "print")]
    pub dry_run: bool,
    /// Overwrite what is not devgate's, and take a program that others can change
    #[arg(long)]
    pub force: bool,
}
