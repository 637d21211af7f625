//! `devgate grant` and `devgate revoke`.

use std::time::Duration;

use clap::Args as ClapArgs;
use devgate::change::{
    Asked, ChangeError, Devices, Edit, Mode, NewGrant, OldNodes, Options, Resolved, Stores, find,
    revoked,
};
use devgate::container::{DevPath, Grant, Time, User};
use devgate::device::Access;
use devgate::guard_lock::guard_runs;
use devgate::policy::Verdict;

use super::changed::carry_out;
use super::names::node_path;
use super::{Exit, complain};

pub const GRANT_HELP: &str = "\
ACCESS consists of the letters r, w and m, and is rw if it is left out. A container keeps what was \
granted until it ends, `devgate revoke` takes it back, or its time is over. After a restart its \
config.json applies again.\n\n\
Exit codes: 0 done; 3 a program of another cgroup denies it as well, and nothing was changed.\n\n\
Examples:\n\
\x20 devgate grant 630b76a2f65f /dev/fuse\n\
\x20 devgate grant 630b76a2f65f /dev/ttyUSB0:rw --path /dev/modem\n\
\x20 devgate grant 630b76a2f65f /dev/disk/by-id/usb-stick:r --for 10m\n\
\x20 devgate grant 630b76a2f65f 'c 195:*:rw' --no-node --keep";

pub const REVOKE_HELP: &str = "\
Without ACCESS, reading and writing and whatever else was granted are taken back. What the \
container's config.json allows is denied. What a process has open it keeps: such processes are \
listed.\n\n\
Examples:\n\
\x20 devgate revoke 630b76a2f65f /dev/fuse\n\
\x20 devgate revoke 630b76a2f65f 'c 10:200:w'";

#[derive(Debug, ClapArgs)]
pub struct GrantArgs {
    /// The container: the beginning of its id, a process id, or a cgroup2 directory
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// A path on the host or 'c 10:229', and the access after a colon
    #[arg(value_name = "DEVICE[:ACCESS]", required = true)]
    pub devices: Vec<Asked>,
    /// Where the node goes, below the container's /dev (default: the host's path)
    #[arg(long, value_name = "PATH", conflicts_with = "no_node")]
    pub path: Option<DevPath>,
    /// Make no node: the container has one, or makes it itself
    #[arg(long)]
    pub no_node: bool,
    /// Take it back after this time, like 10m or 2h; needs `devgate guard`
    #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "keep")]
    pub duration: Option<Duration>,
    /// Grant it again when the container is started again, until `revoke` or `forget`
    #[arg(long)]
    pub keep: bool,
    /// Compile and prove, say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub struct RevokeArgs {
    /// The container: the beginning of its id, a process id, or a cgroup2 directory
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// A path on the host or 'c 10:229', and the access after a colon
    #[arg(value_name = "DEVICE[:ACCESS]", required = true)]
    pub devices: Vec<Asked>,
    /// Leave the node that devgate made: the program denies it anyway
    #[arg(long)]
    pub no_node: bool,
    /// Compile and prove, say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

pub fn grant(args: &GrantArgs, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    if args.path.is_some() && args.devices.len() > 1 {
        complain("--path is for one device, and several were named");
        return Ok(Exit::Usage);
    }
    let stores = Stores::open()?;
    let (user, time) = (User::current(), Time::now());
    let expires = match args.duration {
        Some(_) if !guard_runs(&stores.run) => return Err(ChangeError::NoGuard.into()),
        Some(duration) => Some(time.plus(duration).ok_or(ChangeError::TooLong)?),
        None => None,
    };
    let mut grants = Vec::with_capacity(args.devices.len());
    for asked in &args.devices {
        let device = asked.name.to_string();
        let Resolved { devices, node } = asked.name.resolve().map_err(ChangeError::from)?;
        let path = if args.no_node { None } else { Some(path(args, &device, &devices)?) };
        let access = asked.access.unwrap_or(Access::READ.union(Access::WRITE));
        let rule = devices.rule(Verdict::Allow, access);
        let (user, keep) = (user.clone(), args.keep);
        let node = node.filter(|_| path.is_some());
        let grant = Grant { rule, device, path, node: None, time, user, expires, keep };
        grants.push(NewGrant { grant, node });
    }
    let id = find(&stores, &args.container)?;
    let options = Options { user, old_nodes: OldNodes::Remove, mode: mode(args.dry_run) };
    carry_out(&stores, &id, Edit::Grant(grants), &options, out)
}

pub fn revoke(args: &RevokeArgs, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let stores = Stores::open()?;
    let id = find(&stores, &args.container)?;
    let mut devices = Vec::with_capacity(args.devices.len());
    for asked in &args.devices {
        devices.extend(revoked(&stores, &id, asked)?);
    }
    let old_nodes = if args.no_node { OldNodes::Leave } else { OldNodes::Remove };
    let options = Options { user: User::current(), old_nodes, mode: mode(args.dry_run) };
    carry_out(&stores, &id, Edit::Revoke(devices), &options, out)
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("the grant would end at once".to_owned()),
        parsed => parsed.map_err(|error| error.to_string()),
    }
}

pub fn mode(dry_run: bool) -> Mode {
    if dry_run { Mode::DryRun } else { Mode::Do }
}

/// Where the node goes: where it is asked for, or where the host has it.
fn path(args: &GrantArgs, device: &str, devices: &Devices) -> Result<DevPath, ChangeError> {
    let name = || device.to_owned();
    let Some((major, minor)) = devices.one() else {
        return Err(ChangeError::Many { device: name() });
    };
    if let Some(path) = &args.path {
        return Ok(path.clone());
    }
    let path = match device.starts_with('/') {
        true => name(),
        false => node_path(devices.device_type, major, minor)
            .ok_or_else(|| ChangeError::NoName { device: name() })?,
    };
    path.parse().map_err(|source| ChangeError::Path { device: name(), source })
}
