//! A CDI device that adds the hook: containers ask for it by name.
//!
//! Source: the Container Device Interface specification, 0.3.0.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::document;
use super::plan::{Change, Foreign, Plan};
use super::registration::Registration;
use super::{InstallError, Root, registrable};
use crate::oci::Stage;

/// The kind of the device.
pub const CDI_KIND: &str = "devgate.io/policy";

/// The device.
pub const CDI_DEVICE: &str = "enforce";

/// The file's name, by the specification's advice: vendor and class.
const FILE: &str = "devgate.io-policy.json";

/// The oldest that has what is used, so that every engine takes it.
const VERSION: &str = "0.3.0";

/// The key of a hook's stage.
const STAGE: &str = "hookName";

/// A registration by CDI.
#[derive(Clone, Debug)]
pub struct Cdi {
    /// The directory of CDI specs.
    pub dir: PathBuf,
}

impl Cdi {
    /// Writes the spec.
    ///
    /// # Errors
    /// The file is there and not devgate's.
    pub fn install(
        &self,
        root: &Root,
        hook: &Registration,
        foreign: Foreign,
    ) -> Result<Plan, InstallError> {
        let hooks = Stage::ALL.map(|stage| {
            let mut edit = Map::from_iter([(STAGE.to_owned(), json!(stage.name()))]);
            edit.extend(hook.at(stage).hook());
            edit
        });
        let content = document::json(&json!({
            "cdiVersion": VERSION,
            "kind": CDI_KIND,
            "devices": [{"name": CDI_DEVICE, "containerEdits": {"hooks": hooks}}],
        }));
        let ours = |content: &[u8]| registered(content).is_some();
        let change = Change::own(root, &self.file()?, (content, 0o644), ours, foreign)?;
        let note = format!("containers ask for it as device {CDI_KIND}={CDI_DEVICE}");
        Ok(Plan { changes: vec![change], notes: vec![note] })
    }

    /// Removes the spec, if it names one of `which`.
    ///
    /// # Errors
    /// It can't be read.
    pub fn uninstall(
        &self,
        root: &Root,
        which: impl Fn(&Registration) -> bool,
    ) -> Result<Plan, InstallError> {
        let ours = |content: &[u8]| registered(content).as_ref().is_some_and(&which);
        let change = Change::remove(root, &self.file()?, ours)?;
        Ok(Plan { changes: change.into_iter().collect(), notes: Vec::new() })
    }

    fn file(&self) -> Result<PathBuf, InstallError> {
        registrable("the CDI directory", &self.dir)?;
        Ok(self.dir.join(FILE))
    }
}

/// Where engines look for CDI specs unless they are told otherwise.
pub fn dirs() -> [&'static Path; 2] {
    ["/etc/cdi", "/var/run/cdi"].map(Path::new)
}

/// devgate's registration in a CDI spec, if it has one.
pub fn registered(content: &[u8]) -> Option<Registration> {
    Stage::ALL.into_iter().find_map(|stage| registered_at(content, stage))
}

/// The same for one stage.
pub fn registered_at(content: &[u8], stage: Stage) -> Option<Registration> {
    let spec: Map<String, Value> = serde_json::from_slice(content).ok()?;
    let hooks = |device: &Value| device["containerEdits"]["hooks"].as_array().cloned();
    let devices = spec.get("devices")?.as_array()?;
    let hooks = devices.iter().filter_map(hooks).flatten();
    let mut hooks = hooks.filter(|hook| hook[STAGE] == stage.name());
    hooks.find_map(|hook| Registration::of(hook.as_object()?))
}
