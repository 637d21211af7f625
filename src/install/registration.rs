//! The hook as a registration names it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::oci::Stage;

/// The program's name, and the first of its arguments.
const NAME: &str = "devgate";

const COMMAND: &str = "hook";

/// The option for the stage at which the hook is called.
const STAGE: &str = "--stage";

/// After how many seconds the runtime kills the hook, and doesn't start the container. The hook
/// waits up to 10 s for the cgroup's lock and works for up to 2.5 s; on a machine that is so busy
/// that it gets a twentieth of a CPU, this is 60 s. A kubelet gives up after 120.
pub const TIMEOUT: u32 = 60;

/// The hook's one option that may have no value; one that it has comes after a `=`.
pub const RECORD: &str = "--record";

/// The hook's other options, which all have a value.
pub const OPTIONS: [&str; 11] = [
    STAGE,
    "--default-devices",
    "--stale",
    "--override-ancestor",
    "--retval-programs",
    "--hold",
    "--unit",
    "--rootless",
    "--log",
    "--log-dir",
    "--log-format",
];

/// A hook: what to run, and with which arguments (runtime-spec, "POSIX-platform Hooks").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The binary, an absolute path.
    pub binary: PathBuf,
    /// All arguments, the program's name first.
    pub args: Vec<String>,
}

impl Registration {
    /// `devgate hook` with these options.
    pub fn new(binary: &Path, options: impl IntoIterator<Item = String>) -> Registration {
        let args = [NAME, COMMAND].map(str::to_owned).into_iter().chain(options).collect();
        Registration { binary: binary.to_owned(), args }
    }

    /// The same for one stage alone, so that the hook need not tell it by the state. This is for
    /// registrations that have hooks of their own for each stage.
    pub fn at(&self, stage: Stage) -> Registration {
        let mut args = self.args.clone();
        let place = args.len().min(2);
        args.splice(place..place, [STAGE, stage.name()].map(str::to_owned));
        Registration { args, ..self.clone() }
    }

    /// As the runtime-spec writes a hook.
    pub fn hook(&self) -> Map<String, Value> {
        let path = json!(self.binary.to_string_lossy());
        let members = [("path", path), ("args", json!(self.args)), ("timeout", json!(TIMEOUT))];
        Map::from_iter(members.map(|(key, value)| (key.to_owned(), value)))
    }

    /// The registration that a hook of the runtime-spec's form is, if it is devgate's: by the
    /// name it is called by, or that of its file.
    pub fn of(hook: &Map<String, Value>) -> Option<Registration> {
        let binary = PathBuf::from(hook.get("path")?.as_str()?);
        let args = hook.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
        let args: Option<Vec<String>> =
            args.into_iter().map(|arg| arg.as_str().map(str::to_owned)).collect();
        let registration = Registration { binary, args: args? };
        registration.is_devgates().then_some(registration)
    }

    /// The log that it names.
    pub fn log(&self) -> Option<&Path> {
        self.value_of("--log").map(Path::new)
    }

    fn value_of(&self, option: &str) -> Option<&str> {
        let mut args = self.args.iter();
        let mut value = None;
        while let Some(arg) = args.next() {
            value = match arg.strip_prefix(option) {
                Some("") => args.next().map(String::as_str),
                Some(given) if given.starts_with('=') => Some(&given[1..]),
                _ => value,
            };
        }
        value
    }

    /// What is wrong with the arguments of a hook that is called at this stage: with these devgate
    /// is no hook, or fails. Of their values only the stage is looked at.
    pub fn flaw(&self, stage: Stage) -> Option<String> {
        let mut args = self.args.iter().skip(1);
        if args.next().is_none_or(|command| command != COMMAND) {
            return Some(format!("its second argument is not {COMMAND:?}"));
        }
        while let Some(arg) = args.next() {
            let (name, value) = arg
                .split_once('=')
                .map_or((arg.as_str(), None), |(name, value)| (name, Some(value)));
            if name == RECORD {
                continue;
            }
            if !OPTIONS.contains(&name) {
                return Some(format!("the hook has no option {arg:?}"));
            }
            if value.or_else(|| args.next().map(String::as_str)).is_none() {
                return Some(format!("{arg} has no value"));
            }
        }
        let other = self.value_of(STAGE).filter(|named| *named != stage.name());
        other.map(|named| format!("it is called at {stage} with {STAGE} {named}"))
    }

    fn is_devgates(&self) -> bool {
        self.binary.file_name().is_some_and(|name| name == NAME)
            || self.args.first().is_some_and(|name| name == NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(args: &[&str]) -> Registration {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Registration { binary: "/usr/bin/devgate".into(), args }
    }

    #[test]
    fn the_log_is_found_however_it_is_written() {
        for args in [&["devgate", "hook", "--log", "/l"][..], &["x", "hook", "--log=/l"]] {
            assert_eq!(with(args).log(), Some(Path::new("/l")));
        }
        assert_eq!(with(&["devgate", "hook", "--log-dir", "/l"]).log(), None);
    }

    #[test]
    fn arguments_that_are_no_hooks_are_told() {
        let flaw = |args: &[&str]| with(args).flaw(Stage::CreateRuntime);
        assert_eq!(flaw(&["devgate", "hook", "--log", "/l", "--stale=own"]), None);
        assert_eq!(flaw(&["devgate", "hook", "--stage", "createRuntime"]), None);
        for args in [
            &[][..],
            &["devgate"],
            &["devgate", "inspect"],
            &["devgate", "hook", "--logs", "/l"],
            &["devgate", "hook", "--log"],
            &["devgate", "hook", "--stage", "poststop"],
            &["devgate", "hook", "--stage=createruntime"],
        ] {
            assert!(flaw(args).is_some(), "{args:?}");
        }
    }

    #[test]
    fn a_registration_for_one_stage_says_so() {
        let own = with(&["devgate", "hook", "--log", "/l"]);
        let at = own.at(Stage::Poststop);
        assert_eq!(at.args, ["devgate", "hook", "--stage", "poststop", "--log", "/l"]);
        assert_eq!((at.log(), at.flaw(Stage::Poststop)), (Some(Path::new("/l")), None));
        assert!(at.flaw(Stage::CreateRuntime).is_some());
    }

    #[test]
    fn a_hook_is_told_by_its_name() {
        let own = Registration::new(Path::new("/opt/x"), ["--log".to_owned(), "/l".to_owned()]);
        let hook = Value::Object(own.hook());
        assert_eq!(
            hook,
            json!({
                "path": "/opt/x", "args": ["devgate", "hook", "--log", "/l"], "timeout": 60
            })
        );
        let of = |hook: &Value| Registration::of(hook.as_object().unwrap());
        assert_eq!(of(&hook), Some(own));
        assert!(of(&json!({"path": "/usr/bin/devgate"})).is_some());
        assert_eq!(of(&json!({"path": "/usr/bin/other", "args": ["other", "devgate"]})), None);
        assert_eq!(of(&json!({"path": "/usr/bin/devgate", "args": [1]})), None);
    }
}
