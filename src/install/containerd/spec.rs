//! The base spec.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::registration::Registration;
use super::super::{InstallError, Root};
use super::ctr::{self, CTR};
use super::major::Major;
use crate::files::{DOCUMENT_LIMIT, read_regular};
use crate::oci::Stage;

/// Where the spec comes from that the hook is added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecSource {
    /// The base spec that is there, with all that was changed in it, if it is devgate's. Otherwise
    /// on this machine what `ctr oci spec` prints, and below a prefix, where nothing is run, the
    /// default of the containerd that is installed there.
    Usual,
    /// The default of a major version of containerd.
    Default(Major),
    /// A file, here.
    File(PathBuf),
}

impl fmt::Display for SpecSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecSource::Usual => write!(f, "what `{CTR}` prints"),
            SpecSource::Default(major) => write!(f, "the default of containerd {major}"),
            SpecSource::File(path) => path.display().fmt(f),
        }
    }
}

impl SpecSource {
    /// The spec; `base` is the one that may be there.
    ///
    /// # Errors
    /// It can't be had, or is not a spec.
    pub(super) fn read(
        &self,
        root: &Root,
        base: &Path,
    ) -> Result<Map<String, Value>, InstallError> {
        match self {
            SpecSource::File(path) => {
                let read = |source| InstallError::Read { path: path.clone(), source };
                self.parse(&read_regular(path, DOCUMENT_LIMIT).map_err(read)?)
            }
            SpecSource::Default(major) => {
                Ok(without_limits(self.parse(major.default_spec().as_bytes())?))
            }
            SpecSource::Usual => {
                let there = root.read(base)?.filter(|content| registered(content).is_some());
                match there {
                    Some(content) => self.parse(&content),
                    None if root.is_here() => {
                        Ok(without_limits(self.parse(&ctr::oci_spec(root)?)?))
                    }
                    None => SpecSource::Default(Major::below(root)?).read(root, base),
                }
            }
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Map<String, Value>, InstallError> {
        let wrong = |error: serde_json::Error| InstallError::Spec {
            origin: self.to_string(),
            problem: error.to_string(),
        };
        serde_json::from_slice(bytes).map_err(wrong)
    }
}

/// ctr's limits (1024 open files) would be every container's, which without a base spec has none.
fn without_limits(mut spec: Map<String, Value>) -> Map<String, Value> {
    if let Some(process) = spec.get_mut("process").and_then(Value::as_object_mut) {
        process.shift_remove("rlimits");
    }
    spec
}

/// The spec with the hook as the last one of each stage, and with no other of devgate's.
pub(super) fn with_hook(
    mut spec: Map<String, Value>,
    origin: &SpecSource,
    hook: &Registration,
) -> Result<Value, InstallError> {
    let wrong = |problem| InstallError::Spec { origin: origin.to_string(), problem };
    if !spec.get("ociVersion").is_some_and(Value::is_string) {
        return Err(wrong("it has no ociVersion".to_owned()));
    }
    let hooks = spec.entry("hooks").or_insert(Value::Null);
    let hooks = empty_if_null(hooks, json!({})).as_object_mut();
    let hooks = hooks.ok_or_else(|| wrong(not("hooks")))?;
    for stage in Stage::ALL {
        let list = hooks.entry(stage.name()).or_insert(Value::Null);
        let list = empty_if_null(list, json!([])).as_array_mut();
        let list = list.ok_or_else(|| wrong(not(&format!("hooks.{stage}"))))?;
        list.retain(|hook| !is_devgates(hook));
        list.push(Value::Object(hook.at(stage).hook()));
    }
    Ok(Value::Object(spec))
}

/// Go writes null for what is empty.
fn empty_if_null(value: &mut Value, empty: Value) -> &mut Value {
    if value.is_null() {
        *value = empty;
    }
    value
}

fn not(key: &str) -> String {
    format!("{key} is not what it has to be")
}

fn is_devgates(hook: &Value) -> bool {
    hook.as_object().and_then(Registration::of).is_some()
}

/// devgate's registration in a base spec, if it has one.
pub fn registered(content: &[u8]) -> Option<Registration> {
    Stage::ALL.into_iter().find_map(|stage| registered_at(content, stage))
}

/// The same for one stage.
pub fn registered_at(content: &[u8], stage: Stage) -> Option<Registration> {
    let spec: Map<String, Value> = serde_json::from_slice(content).ok()?;
    let hooks = spec.get("hooks")?.get(stage.name())?.as_array()?;
    hooks.iter().find_map(|hook| Registration::of(hook.as_object()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(spec: &Value) -> Result<Value, String> {
        let hook = Registration::new(Path::new("/usr/bin/devgate"), []);
        let file = SpecSource::File("FILE".into());
        let added = with_hook(spec.as_object().unwrap().clone(), &file, &hook);
        added.map_err(|error| error.to_string())
    }

    #[test]
    fn the_hook_is_added_once_behind_the_others() {
        let spec = json!({"ociVersion": "1.1.0", "linux": {}, "hooks": {
            "poststop": [{"path": "/a"}],
            "createRuntime": [{"path": "/old/devgate"}, {"path": "/b"}]
        }});
        let added = with(&spec).unwrap();
        let hook = Registration::new(Path::new("/usr/bin/devgate"), []);
        let own = |stage| Value::Object(hook.at(stage).hook());
        let (create, stop) = (own(Stage::CreateRuntime), own(Stage::Poststop));
        assert_eq!(added["hooks"]["createRuntime"], json!([{"path": "/b"}, create]));
        assert_eq!(added["hooks"]["poststop"], json!([{"path": "/a"}, stop]));
        assert_eq!(added["linux"], json!({}));
        assert_eq!(with(&added).unwrap(), added);
    }

    #[test]
    fn what_is_no_spec_is_refused() {
        for (spec, problem) in [
            (json!({}), "FILE is not a runtime spec: it has no ociVersion"),
            (json!({"ociVersion": "1", "hooks": []}), "FILE is not a runtime spec: hooks is not"),
        ] {
            let error = with(&spec).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
