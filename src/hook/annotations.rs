//! What a container asks for by annotations. Whoever writes a pod's manifest writes them, so they
//! can tighten and observe, and never widen what the container may open, nor name a file
//! anywhere on the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::is_plain_name;
use crate::oci::{ANNOTATION_PREFIX as PREFIX, shortened};
use crate::policy::{DefaultDevices, Few};
use crate::recording::{NameError, RecordingName};

const LOG: &str = "log";
const RECORD: &str = "record";
const DEFAULT_DEVICES: &str = "default-devices";

/// An annotation that can't be followed: the container must not start as if it had been.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AnnotationError {
    /// Only `none` tightens, whatever is registered.
    #[error("annotation {PREFIX}{DEFAULT_DEVICES}: {0:?} could widen access (only \"none\" can't)")]
    Widens(String),
    /// The log is elsewhere than annotations may have one.
    #[error(
        "annotation {PREFIX}{LOG}: {value:?} is no name of letters, digits and ._- right in {}",
        dir.display()
    )]
    Log {
        /// Its value.
        value: String,
        /// Where it may be.
        dir: PathBuf,
    },
    /// The recording's name can't be a file's.
    #[error("annotation {PREFIX}{RECORD}")]
    Record(#[source] NameError),
}

/// A container's own wishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotated {
    without_default_devices: bool,
    log: Option<String>,
    record: Option<RecordingName>,
    unknown: Few<String>,
}

impl Annotated {
    /// Reads the annotations of a state (runtime-spec, "State").
    ///
    /// # Errors
    /// One of them would widen access, or names a recording that can't be made.
    pub fn new(annotations: &BTreeMap<String, String>) -> Result<Annotated, AnnotationError> {
        let mut annotated = Annotated::default();
        for (key, value) in annotations {
            match (key.strip_prefix(PREFIX), value.as_str()) {
                (None, _) => {}
                (Some(DEFAULT_DEVICES), "none") => annotated.without_default_devices = true,
                (Some(DEFAULT_DEVICES), _) => {
                    return Err(AnnotationError::Widens(shortened(value)));
                }
                (Some(LOG), _) => annotated.log = Some(value.clone()),
                (Some(RECORD), _) => {
                    let name = value.parse().map_err(AnnotationError::Record)?;
                    annotated.record = Some(name);
                }
                (Some(_), _) => annotated.unknown.push(shortened(key)),
            }
        }
        Ok(annotated)
    }

    /// Where the base rules go: at most where they are registered to go.
    pub fn default_devices(&self, registered: DefaultDevices) -> DefaultDevices {
        if self.without_default_devices { DefaultDevices::None } else { registered }
    }

    /// The name of a log of the container's own, right in `dir`; it may be given with `dir`.
    ///
    /// # Errors
    /// It is elsewhere.
    pub fn log(&self, dir: &Path) -> Result<Option<&str>, AnnotationError> {
        let Some(value) = &self.log else { return Ok(None) };
        let path = Path::new(value);
        let name =
            path.strip_prefix(dir).unwrap_or(path).to_str().filter(|name| is_plain_name(name));
        let elsewhere = || AnnotationError::Log { value: shortened(value), dir: dir.to_owned() };
        name.map(Some).ok_or_else(elsewhere)
    }

    /// The recording that the container's requests go to.
    pub fn record(&self) -> Option<&RecordingName> {
        self.record.as_ref()
    }

    /// Annotations that look like devgate's and are none.
    pub fn warnings(&self) -> Few<String> {
        self.unknown.clone().map(|key| format!("annotation {key:?} is unknown, passed over"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(annotations: &[(&str, &str)]) -> Result<Annotated, AnnotationError> {
        let annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Annotated::new(&annotations.collect())
    }

    #[test]
    fn default_devices_can_only_go() {
        use DefaultDevices::{Append, Base, None};
        let none = annotated(&[("io.devgate.default-devices", "none")]).unwrap();
        let silent = annotated(&[("io.kubernetes.default-devices", "none")]).unwrap();
        for registered in [Base, Append, None] {
            assert_eq!(none.default_devices(registered), None);
            assert_eq!(silent.default_devices(registered), registered);
        }
        for value in ["base", "append", "", "None", "none "] {
            let error = annotated(&[("io.devgate.default-devices", value)]).unwrap_err();
            assert_eq!(error, AnnotationError::Widens(value.to_owned()));
        }
    }

    #[test]
    fn a_log_is_in_the_directory_that_was_named() {
        let dir = Path::new("/var/log/devgate");
        for value in ["a.log", "/var/log/devgate/a.log"] {
            let annotated = annotated(&[("io.devgate.log", value)]).unwrap();
            assert_eq!(annotated.log(dir), Ok(Some("a.log")));
        }
        for value in [
            "",
            ".",
            "..",
            ".hidden",
            "a b",
            "a\nb",
            "-x",
            "a/b",
            "../a",
            "/etc/passwd",
            "/var/log/devgate",
            "/var/log/devgate/../a",
            "/var/log/devgate/b/a",
        ] {
            let annotated = annotated(&[("io.devgate.log", value)]).unwrap();
            assert!(annotated.log(dir).is_err(), "{value:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_warned_about() {
        let keys = [("io.devgate.defaultdevices", "none"), ("io.devgate", "x"), ("other", "y")];
        let warnings: Vec<String> = annotated(&keys).unwrap().warnings().lines();
        assert_eq!(warnings, ["annotation \"io.devgate.defaultdevices\" is unknown, passed over"]);
    }
}
