//! `devgate guard`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Parser};
use devgate::guard::{Done, Event, Guard as Watch, Options, Settings};
use devgate::guard_lock::GuardLock;
use devgate::hook::{self, Log, LogError, LogFormat};
use devgate::install::Registration;
use devgate::run_dir::RunDir;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::args::HookAlone;
use super::attach_options::AttachOptions;
use super::ended::Ended;
use super::hook_options::HookOptions;
use super::modes::{DefaultDevicesMode, FoundMode, LogFormatMode};
use super::{Exit, complain};

pub const EXAMPLES: &str = "The options of enforcement apply to containers without the hook (--found all).\n\
A container with a record keeps the options of its record.\n\n\
Exit codes: 0: it was stopped, or --once found or repaired everything; 1: something could not be\n\
repaired, or another guard runs.\n\n\
Examples:\n\
\x20 systemctl enable --now devgate-guard\n\
\x20 devgate guard --once\n\
\x20 devgate guard --log /var/lib/devgate/guard.log --log-format json";

/// The shortest pause between two looks, however long one takes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub struct Guard {
    /// Look once, repair what is wrong, and exit
    #[arg(long)]
    pub once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1",
          value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "once")]
    pub interval: u16,
    /// Append a line about each action to this file instead of standard error
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How that line is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormatMode,
    /// Which containers without a record get their policy
    #[arg(long, value_name = "WHICH", default_value = "hooked")]
    pub found: FoundMode,
    /// Where the base rules (/dev/null and its like) go
    #[arg(long, value_name = "MODE", default_value = "base")]
    pub default_devices: DefaultDevicesMode,
    #[command(flatten)]
    pub attach: AttachOptions,
    /// Another directory where a runtime (runc, crun) keeps its containers' states
    #[arg(long, value_name = "DIR")]
    pub runtime_root: Vec<PathBuf>,
}

pub fn run(guard: &Guard) -> anyhow::Result<Exit> {
    let log = Output::new(guard)?;
    let _lock = GuardLock::take(&RunDir::open()?)?;
    raise_file_limit();
    let ended = Ended::new()?;
    let mut watch = Watch::new(guard.options())?;
    if guard.once {
        let events = watch.look()?;
        log.append(&events);
        let is_good = events.iter().all(|event| is_good(&event.done));
        return Ok(if is_good { Exit::Success } else { Exit::Failure });
    }
    complain(&format!("guards {} containers", watch.watched()));
    let interval = Duration::from_secs(guard.interval.into());
    loop {
        let start = Instant::now();
        log.append(&watch.look()?);
        let pause = interval.saturating_sub(start.elapsed()).max(SHORTEST_PAUSE);
        if ended.within(pause)? {
            return Ok(Exit::Success);
        }
    }
}

/// A program that can't be taken off decides as well.
fn is_good(done: &Done) -> bool {
    done.restored().is_some_and(|restored| restored.in_force.outcome.left.is_empty())
}

impl Guard {
    fn options(&self) -> Options {
        let hook = hook::Options { enforce: self.attach.into(), rootless: hook::Rootless::Fail };
        Options {
            found: self.found.into(),
            settings: Settings { default_devices: self.default_devices.into(), hook },
            parse: settings,
            runtime_roots: self.runtime_root.clone(),
        }
    }
}

/// What a registration's arguments say to the hook.
fn settings(registration: &Registration) -> Result<Settings, String> {
    let options = match registration.args.get(1..) {
        None | Some([]) => HookOptions::default(),
        Some([command, options @ ..]) if command == "hook" => {
            let args = ["devgate hook"].into_iter().chain(options.iter().map(String::as_str));
            let parsed = HookAlone::try_parse_from(args);
            parsed.map_err(|error| first_line(&error.to_string()))?.hook.options
        }
        Some([command, ..]) => return Err(format!("it runs `devgate {command}`")),
    };
    let default_devices = options.default_devices.into();
    Ok(Settings { default_devices, hook: options.options() })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Where lines go. The log is opened for each, so that it may be renamed.
struct Output {
    log: Option<PathBuf>,
    format: LogFormat,
}

impl Output {
    /// A log that can't be used is an error now, and not when there is something to tell.
    fn new(guard: &Guard) -> Result<Output, LogError> {
        let output = Output { log: guard.log.clone(), format: guard.log_format.into() };
        if let Some(path) = &output.log {
            Log::open(path, output.format)?;
        }
        Ok(output)
    }

    fn append(&self, events: &[Event]) {
        for event in events {
            let record = event.record();
            let log = self.log.as_ref().map(|path| Log::open(path, self.format));
            let written = log.map(|log| log.and_then(|mut log| log.append(&record)));
            if let Some(Err(error)) = &written {
                complain(&format!("warning: {}", devgate::errors::chain(error)));
            }
            if !matches!(written, Some(Ok(()))) {
                // There is nobody else to tell.
                let _ = io::stderr().write_all(record.line(self.format).as_bytes());
            }
        }
    }
}

/// Each container takes a descriptor or two, and 1,024 is the usual limit.
fn raise_file_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If it stays, the containers beyond are told of.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

#[cfg(test)]
mod tests {
    use devgate::hold::HoldMode;
    use devgate::policy::DefaultDevices;

    use super::*;

    fn registration(args: &[&str]) -> Registration {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Registration { binary: "/usr/bin/devgate".into(), args }
    }

    #[test]
    fn a_registration_says_how_a_policy_is_enforced() {
        for args in [&[][..], &["devgate"], &["devgate", "hook"]] {
            let options = HookOptions::default().options();
            let expected = Settings { default_devices: DefaultDevices::Base, hook: options };
            assert_eq!(settings(&registration(args)), Ok(expected), "{args:?}");
        }
        let args =
            ["devgate", "hook", "--log", "/x", "--default-devices=none", "--hold", "require"];
        let found = settings(&registration(&args)).unwrap();
        assert_eq!(found.default_devices, DefaultDevices::None);
        assert_eq!(found.hook.enforce.hold, HoldMode::Require);
    }

    #[test]
    fn a_registration_that_is_none_is_told() {
        let error = settings(&registration(&["devgate", "hook", "--new-option"])).unwrap_err();
        assert_eq!(error, "error: unexpected argument '--new-option' found");
        let error = settings(&registration(&["devgate", "ls"])).unwrap_err();
        assert_eq!(error, "it runs `devgate ls`");
    }
}
