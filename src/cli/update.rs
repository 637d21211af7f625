//! `devgate update`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use devgate::change::{Edit, OldNodes, Options, Stores, find};
use devgate::container::User;
use devgate::policy::{DefaultDevices, Policy};

use super::changed::carry_out;
use super::grant::mode;
use super::modes::DefaultDevicesMode;
use super::{Exit, complain, config};

pub const HELP: &str = "\
The new rules take the place of those of config.json and of everything that was granted or revoked. \
After a restart of the container its config.json applies again, and so does what `grant --keep` \
keeps.\n\n\
Examples:\n\
\x20 devgate inspect 630b76a2f65f --rules > rules.json\n\
\x20 devgate update 630b76a2f65f --rules rules.json\n\
\x20 devgate update 630b76a2f65f --config config.json --dry-run";

#[derive(Debug, ClapArgs)]
#[command(group(clap::ArgGroup::new("source").args(["config", "rules"]).required(true)))]
pub struct UpdateArgs {
    /// The container: the beginning of its id, a process id, or a cgroup2 directory
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// A config.json with the new rules; - for standard input
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A linux.resources.devices array with the new rules, as `inspect --rules` prints it; - for
    /// standard input
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Where the base rules (/dev/null and its like) go (default: with --config as at the
    /// container's start; with --rules none)
    #[arg(long, value_name = "MODE")]
    pub default_devices: Option<DefaultDevicesMode>,
    /// Compile and prove, say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

pub fn run(args: &UpdateArgs, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let stores = Stores::open()?;
    let config = match (&args.config, &args.rules) {
        (Some(file), _) => config::read(file)?,
        (None, Some(file)) => config::read_rules(file)?,
        (None, None) => anyhow::bail!("no rules were named"),
    };
    let id = find(&stores, &args.container)?;
    let default_devices = match (args.default_devices, &args.rules) {
        (Some(mode), _) => mode.into(),
        // They are what shall be allowed, all of it.
        (None, Some(_)) => DefaultDevices::None,
        (None, None) => {
            let record = stores.records.get(&id)?.ok_or_else(|| stores.records.missing(&id))?;
            record.default_devices
        }
    };
    let policy = Policy::new(config.rules.clone(), default_devices);
    for warning in config::warnings(config.unknown, &policy).lines() {
        complain(&format!("warning: {warning}"));
    }
    let edit = Edit::Update { rules: config.rules, default_devices };
    let (user, mode) = (User::current(), mode(args.dry_run));
    let options = Options { user, old_nodes: OldNodes::Remove, mode };
    carry_out(&stores, &id, edit, &options, out)
}
