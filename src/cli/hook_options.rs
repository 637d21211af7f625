//! The options of the hook, which a registration gives it.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use devgate::hook::Options;
use devgate::recording::RecordingName;

use super::attach_options::AttachOptions;
use super::modes::{DefaultDevicesMode, LogFormatMode, RootlessMode};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct HookOptions {
    /// Where the base rules (/dev/null and its like) go
    #[arg(long, value_name = "MODE", default_value = "base")]
    pub default_devices: DefaultDevicesMode,
    #[command(flatten)]
    pub attach: AttachOptions,
    /// What to do in a user namespace, where the kernel loads no device programs
    #[arg(long, value_name = "WHAT", default_value = "warn")]
    pub rootless: RootlessMode,
    /// Append a line about each run to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Where the annotation io.devgate.log may name a log
    #[arg(long, value_name = "DIR", default_value = LOG_DIR)]
    pub log_dir: Option<PathBuf>,
    /// How that line is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormatMode,
    /// Record what the container asks for, as `devgate record` shows it, under this name or else the
    /// container's id. The annotation io.devgate.record=NAME does the same for one container
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true)]
    pub record: Option<Option<RecordingName>>,
}

/// Nobody but root can change what is in /var/lib; Ubuntu lets a group write to /var/log.
const LOG_DIR: &str = "/var/lib/devgate/containers";

impl HookOptions {
    pub fn log_dir(&self) -> &Path {
        self.log_dir.as_deref().unwrap_or(Path::new(LOG_DIR))
    }

    pub fn options(&self) -> Options {
        Options { enforce: self.attach.into(), rootless: self.rootless.into() }
    }

    /// The arguments that say this, without those that say what holds anyway.
    pub fn args(&self) -> Vec<String> {
        let log = self.log.as_ref().map(|log| log.display().to_string());
        let log_dir = self.log_dir.as_ref().map(|dir| dir.display().to_string());
        let args = [
            ("--default-devices", unusual(self.default_devices)),
            ("--stale", unusual(self.attach.stale)),
            ("--override-ancestor", unusual(self.attach.override_ancestor)),
            ("--retval-programs", unusual(self.attach.retval_programs)),
            ("--hold", unusual(self.attach.hold)),
            ("--unit", unusual(self.attach.unit)),
            ("--rootless", unusual(self.rootless)),
            ("--log", log),
            ("--log-dir", log_dir.filter(|dir| dir != LOG_DIR)),
            ("--log-format", unusual(self.log_format)),
        ];
        let given = args.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        given.flatten().chain(self.record_arg()).collect()
    }

    /// Its name is optional, so it is one argument.
    fn record_arg(&self) -> Option<String> {
        Some(match self.record.as_ref()? {
            Some(name) => format!("--record={name}"),
            None => "--record".to_owned(),
        })
    }
}

/// A value's name, unless it is the default.
fn unusual<V: ValueEnum + Default + PartialEq>(value: V) -> Option<String> {
    let name = value.to_possible_value()?.get_name().to_owned();
    (value != V::default()).then_some(name)
}
