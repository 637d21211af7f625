//! The hook as a registration names it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The program's name, and the first of its arguments.
const NAME: &str = "devgate";

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
        let args = [NAME.to_owned(), "hook".to_owned()].into_iter().chain(options).collect();
        Registration { binary: binary.to_owned(), args }
    }

    /// As the runtime-spec writes a hook.
    pub fn hook(&self) -> Map<String, Value> {
        let path = json!(self.binary.to_string_lossy());
        Map::from_iter([("path".to_owned(), path), ("args".to_owned(), json!(self.args))])
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

    fn is_devgates(&self) -> bool {
        self.binary.file_name().is_some_and(|name| name == NAME)
            || self.args.first().is_some_and(|name| name == NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_told_by_its_name() {
        let own = Registration::new(Path::new("/opt/x"), ["--log".to_owned(), "/l".to_owned()]);
        let hook = Value::Object(own.hook());
        assert_eq!(hook, json!({"path": "/opt/x", "args": ["devgate", "hook", "--log", "/l"]}));
        let of = |hook: &Value| Registration::of(hook.as_object().unwrap());
        assert_eq!(of(&hook), Some(own));
        assert!(of(&json!({"path": "/usr/bin/devgate"})).is_some());
        assert_eq!(of(&json!({"path": "/usr/bin/other", "args": ["other", "devgate"]})), None);
        assert_eq!(of(&json!({"path": "/usr/bin/devgate", "args": [1]})), None);
    }
}
