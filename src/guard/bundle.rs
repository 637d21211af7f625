//! What a container's bundle says: its rules, and how devgate's hook is registered for it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::container::{TrustError, trusted};
use crate::install::Registration;
use crate::oci::{HookInput, OciError, read_hook_input};

/// Why a bundle can't be used.
#[derive(Debug, Error)]
pub enum BundleError {
    /// config.json can't be used.
    #[error(transparent)]
    File(#[from] TrustError),
    /// It is malformed.
    #[error("bundle {}", bundle.display())]
    Oci {
        /// The bundle.
        bundle: PathBuf,
        /// Why.
        source: OciError,
    },
}

/// What a hook would have got, had it run.
#[derive(Debug)]
pub(super) struct Bundle {
    /// The state and the config.
    pub input: HookInput,
    /// Whether config.json has `linux.resources.devices`, be it empty.
    pub has_rules: bool,
    /// devgate's hook, if it is among the container's.
    pub registration: Option<Registration>,
}

impl Bundle {
    /// The bundle of a container with this process.
    pub fn read(bundle: &Path, id: &str, pid: i32) -> Result<Bundle, BundleError> {
        let config = trusted::read(&bundle.join("config.json"))?;
        // What else is in there does not matter, unless it is malformed: the hook's reader tells.
        let other: Value = serde_json::from_slice(&config).unwrap_or_default();
        let annotations = other.get("annotations").cloned().unwrap_or_default();
        let state = json!({"id": id, "pid": pid, "bundle": bundle, "annotations": annotations});
        let documents = [state.to_string().into_bytes(), config].concat();
        let input = read_hook_input(documents.as_slice());
        let input = input.map_err(|source| BundleError::Oci { bundle: bundle.into(), source })?;
        let rules = other.pointer("/linux/resources/devices");
        let has_rules = rules.is_some_and(|rules| !rules.is_null());
        Ok(Bundle { input, has_rules, registration: registration(&other) })
    }
}

/// devgate's hook among the config's (runtime-spec, "POSIX-platform Hooks").
fn registration(config: &Value) -> Option<Registration> {
    let hooks = config.get("hooks")?.get("createRuntime")?.as_array()?;
    hooks.iter().filter_map(Value::as_object).find_map(|hook: &Map<_, _>| Registration::of(hook))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_hook_and_its_options_are_in_config_json() {
        let dir = tempfile::tempdir().unwrap();
        let write = |config: Value| {
            fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
            Bundle::read(dir.path(), "c1", 7).unwrap()
        };
        let rules =
            json!([{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]);
        let linux = json!({"resources": {"devices": rules}});
        let other = json!({"path": "/usr/bin/other", "args": ["other"]});
        let bundle = write(json!({"linux": linux, "hooks": {"createRuntime": [other]}}));
        assert_eq!(bundle.registration, None);
        assert_eq!(bundle.input.config.rules.len(), 1);
        assert!(bundle.has_rules);
        let args = ["devgate", "hook", "--default-devices", "none"];
        let hook = json!({"path": "/usr/bin/devgate", "args": args, "timeout": 60});
        let bundle = write(json!({
            "hooks": {"createRuntime": [other, hook]},
            "annotations": {"io.devgate.log": "x", "other": "y"},
        }));
        assert_eq!(bundle.registration.unwrap().args, args);
        let annotations = bundle.input.state.annotations.into_iter();
        assert_eq!(annotations.collect::<Vec<_>>(), [("io.devgate.log".into(), "x".into())]);
        assert_eq!(bundle.input.state.id, "c1");
        assert!(!bundle.has_rules);
        assert!(write(json!({"linux": {"resources": {"devices": []}}})).has_rules);
        assert!(!write(json!({"linux": {"resources": {"devices": null}}})).has_rules);
    }
}
