//! The arguments of `devgate record`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use devgate::recording::{ROWS, RecordingName};

use crate::cli::modes::DefaultDevicesMode;

#[derive(Debug, ClapArgs)]
pub struct Record {
    #[command(subcommand)]
    pub command: RecordCommand,
}

#[derive(Debug, Subcommand)]
pub enum RecordCommand {
    /// Record what a running container asks for, until it ends or `record stop`
    #[command(
        after_help = "To record a container from its start on, give the hook --record, or the \
container the annotation io.devgate.record=NAME.\n\n\
Example:\n\
\x20 devgate record start 630b76a2f65f --name web"
    )]
    Start(Start),
    /// Stop recording a container that runs on
    #[command(after_help = "Example:\n\
\x20 devgate record stop 630b76a2f65f")]
    Stop(Stop),
    /// List the recordings
    #[command(after_help = "Example:\n\
\x20 devgate record list")]
    List(List),
    /// Show the rules that allow what was asked for
    #[command(after_help = "Examples:\n\
\x20 devgate record show web > rules.json\n\
\x20 devgate record show web --format table --with-denied\n\
\x20 eval podman run --rm $(devgate record show web --format podman) IMAGE")]
    Show(Show),
    /// Compare a recording with the rules of a config.json
    #[command(after_help = "Exit codes: 0: they agree; 3: they differ.\n\n\
Example:\n\
\x20 devgate record diff web config.json")]
    Diff(Diff),
    /// Remove recordings
    #[command(after_help = "Example:\n\
\x20 devgate record remove web")]
    Remove(Remove),
}

#[derive(Debug, ClapArgs)]
pub struct Start {
    /// The container: the beginning of its id, a process id, or a cgroup2 directory
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// The recording, to which this is added if it is there; the container's id, if none is named
    #[arg(long, value_name = "NAME")]
    pub name: Option<RecordingName>,
    /// How many different requests are counted. Of more, only the number is known
    #[arg(long, value_name = "COUNT", default_value_t = ROWS,
          value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub rows: u32,
}

#[derive(Debug, ClapArgs)]
pub struct Stop {
    /// The container: the beginning of its id, a process id, or a cgroup2 directory
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}

#[derive(Debug, ClapArgs)]
pub struct List {
    /// As a JSON array
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Show {
    /// The recording
    #[arg(value_name = "NAME")]
    pub name: RecordingName,
    /// How it is shown
    #[arg(long, value_name = "FORMAT", default_value = "rules")]
    pub format: ShowFormat,
    /// Allow what was denied, too
    #[arg(long)]
    pub with_denied: bool,
    /// Leave the comments out of the rules
    #[arg(long)]
    pub no_comments: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// A linux.resources.devices array
    Rules,
    /// The flags of `podman run`
    Podman,
    /// A line for each kind of request
    Table,
    /// Everything that is known, as it is kept
    Json,
}

#[derive(Debug, ClapArgs)]
pub struct Diff {
    /// The recording
    #[arg(value_name = "NAME")]
    pub name: RecordingName,
    /// The config.json; - for standard input
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Where the base rules (/dev/null and its like) go
    #[arg(long, value_name = "MODE", default_value = "base")]
    pub default_devices: DefaultDevicesMode,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Remove {
    /// The recordings
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<RecordingName>,
}
