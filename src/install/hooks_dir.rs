//! Hooks directories, which podman, CRI-O and NRI's hook-injector read (oci-hooks(5), 1.0.0).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::document;
use super::engine::Engine;
use super::hooks_setting::HooksSetting;
use super::plan::{Change, Foreign, Plan, Step};
use super::regex;
use super::registration::Registration;
use super::{InstallError, Root, registrable};
use crate::files::Last;
use crate::oci::Stage;

/// The file's name: engines run hooks in the order of these names.
const FILE: &str = "devgate.json";

const VERSION: &str = "1.0.0";

/// One condition for the hook to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// For every container.
    Always,
    /// For containers with an annotation of this key whose value matches.
    Annotation {
        /// The key, literally.
        key: String,
        /// A regular expression (RE2) for the value.
        value: String,
    },
    /// For containers whose first argument matches this regular expression (RE2).
    Command(String),
    /// For containers with mounts that were asked for. podman counts volumes and tmpfs too.
    BindMounts,
}

/// No condition.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WhenError {
    /// None of those there are.
    #[error(
        "{0:?} is none of always, annotation=KEY, annotation=KEY=REGEX, command=REGEX, bind-mounts"
    )]
    Unknown(String),
    /// Conditions are joined by "and", so this can't be meant.
    #[error("always goes with no other condition")]
    AlwaysAnd,
    /// Not a regular expression: the engine would refuse every container.
    #[error("{regex:?} is not a regular expression: {problem}")]
    Regex {
        /// What was given.
        regex: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A key can be asked for once.
    #[error("annotation {0:?} is asked for twice")]
    Twice(String),
}

impl FromStr for Condition {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Condition, WhenError> {
        let unknown = || WhenError::Unknown(text.to_owned());
        match text.split_once('=') {
            None if text == "always" => Ok(Condition::Always),
            None if text == "bind-mounts" => Ok(Condition::BindMounts),
            Some(("command", text)) if !text.is_empty() => Ok(Condition::Command(regex(text)?)),
            Some(("annotation", rest)) if !rest.is_empty() && !rest.starts_with('=') => {
                let (key, value) = rest.split_once('=').unwrap_or((rest, ".*"));
                Ok(Condition::Annotation { key: key.to_owned(), value: regex(value)? })
            }
            _ => Err(unknown()),
        }
    }
}

/// When the hook is run: if all of its conditions hold, where `commands` hold if one does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct When {
    #[serde(skip_serializing_if = "Option::is_none")]
    always: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_bind_mounts: Option<bool>,
}

impl When {
    /// These conditions together; always, if there are none.
    ///
    /// # Errors
    /// They can't go together.
    pub fn new(conditions: &[Condition]) -> Result<When, WhenError> {
        if conditions.len() > 1 && conditions.contains(&Condition::Always) {
            return Err(WhenError::AlwaysAnd);
        }
        let mut when = When::default();
        for condition in conditions {
            match condition {
                Condition::Always => {}
                Condition::BindMounts => when.has_bind_mounts = Some(true),
                Condition::Command(regex) => when.commands.push(regex.clone()),
                Condition::Annotation { key, value } => {
                    let before = when.annotations.insert(literally(key), value.clone());
                    if before.is_some() {
                        return Err(WhenError::Twice(key.clone()));
                    }
                }
            }
        }
        if when == When::default() {
            when.always = Some(true);
        }
        Ok(when)
    }
}

/// The text, if it is a regular expression.
fn regex(text: &str) -> Result<String, WhenError> {
    let wrong = |problem| WhenError::Regex { regex: text.to_owned(), problem };
    regex::check(text).map(|()| text.to_owned()).map_err(wrong)
}

/// A regular expression (RE2) for this text and no other.
fn literally(text: &str) -> String {
    let mut regex = String::from("^");
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '_' | '-' | '/') {
            regex.push('\\');
        }
        regex.push(c);
    }
    regex + "$"
}

/// A registration in a hooks directory.
#[derive(Clone, Debug)]
pub struct HooksDir {
    /// The engine that reads it.
    pub engine: Engine,
    /// The directory; where the engine looks, if none is named.
    pub dir: Option<PathBuf>,
}

impl HooksDir {
    /// Writes the file.
    ///
    /// # Errors
    /// It is there and not devgate's; the engine's configuration can't be read.
    pub fn install(
        &self,
        root: &Root,
        hook: &Registration,
        when: &When,
        foreign: Foreign,
    ) -> Result<Plan, InstallError> {
        let (dir, drop_in) = match &self.dir {
            Some(dir) => (dir.clone(), None),
            None => self.engine.hooks_dir(root, foreign)?,
        };
        registrable("the hooks directory", &dir)?;
        let file = dir.join(FILE);
        let content = document::json(&json!({
            "version": VERSION,
            "hook": hook.hook(),
            "when": when,
            "stages": Stage::ALL.map(Stage::name),
        }));
        let ours = |content: &[u8]| registered(content).is_some();
        let change = Change::own(root, &file, (content, 0o644), ours, foreign)?;
        let mut notes = self.notes(root, &file);
        if drop_in.as_ref().is_some_and(|drop_in| drop_in.step() != Step::Unchanged) {
            notes.extend(self.engine.setting().and_then(|s| s.on_change).map(str::to_owned));
        } else if drop_in.is_none() {
            notes.extend(self.unread(root, &dir));
        }
        let changes = std::iter::once(change).chain(drop_in).collect();
        Ok(Plan { changes, notes })
    }

    /// Removes the file from every directory that the engine reads, if it names one of `which`,
    /// and with it the drop-in that makes the engine read one of devgate's own.
    ///
    /// # Errors
    /// It can't be read.
    pub fn uninstall(
        &self,
        root: &Root,
        which: impl Fn(&Registration) -> bool,
    ) -> Result<Plan, InstallError> {
        let setting = self.engine.setting().filter(|_| self.dir.is_none());
        let mut dirs = match &self.dir {
            Some(dir) => vec![dir.clone()],
            None => self.engine.hooks_dirs(root)?,
        };
        // Another file may overrule the drop-in by now.
        let added = setting.map(HooksSetting::added);
        dirs.extend(added.filter(|added| !dirs.iter().any(|dir| dir == added)).map(Path::to_owned));
        let ours = |content: &[u8]| registered(content).as_ref().is_some_and(&which);
        let mut plan = Plan::default();
        for file in dirs.iter().map(|dir| dir.join(FILE)) {
            if let Some(change) = Change::remove(root, &file, ours)? {
                plan.changes.push(change);
                plan.notes.extend(self.notes(root, &file));
            }
        }
        if let Some(setting) = setting {
            let own = setting.added().join(FILE);
            let stays = root.read(&own)?.is_some()
                && !plan.removes(&root.here(&root.follow(&own, Last::Keep)?));
            plan.changes.extend(setting.without_ours(root)?.filter(|_| !stays));
        }
        Ok(plan)
    }

    /// A directory that the engine does not read may be one that it will be told of.
    fn unread(&self, root: &Root, dir: &Path) -> Option<String> {
        let dirs = self.engine.hooks_dirs(root).ok()?;
        let names: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        let is_read = names.is_empty() || dirs.iter().any(|read| read == dir);
        let engine = self.engine.name();
        let read = names.join(", ");
        (!is_read).then(|| {
            format!("{engine} does not read {} by its configuration, only {read}", dir.display())
        })
    }

    /// One file is read by all that look there: that can't be chosen, but must be known.
    fn notes(&self, root: &Root, file: &Path) -> Vec<String> {
        let dir = file.parent().unwrap_or(Path::new("/"));
        // What is wrong with another engine's configuration is no matter of this one.
        let reads = |engine: &Engine| {
            *engine != self.engine
                && engine.program(root).is_some()
                && engine.hooks_dirs(root).is_ok_and(|dirs| dirs.iter().any(|read| read == dir))
        };
        let readers: Vec<&str> = Engine::ALL.into_iter().filter(reads).map(Engine::name).collect();
        let shared = format!("{} is read by {} too", dir.display(), readers.join(" and "));
        if readers.is_empty() { Vec::new() } else { vec![shared] }
    }
}

/// devgate's registration in a hooks file, if it has one.
pub fn registered(content: &[u8]) -> Option<Registration> {
    let file: Map<String, Value> = serde_json::from_slice(content).ok()?;
    Registration::of(file.get("hook")?.as_object()?)
}

/// The same, if the file has this stage.
pub fn registered_at(content: &[u8], stage: Stage) -> Option<Registration> {
    let file: Value = serde_json::from_slice(content).ok()?;
    let stages = file["stages"].as_array()?;
    registered(content).filter(|_| stages.contains(&json!(stage.name())))
}

/// Why a hooks file that has a registration is none that the engine runs before a container
/// starts.
pub fn flaw(content: &[u8]) -> Option<String> {
    let file: Value = serde_json::from_slice(content).ok()?;
    let has_stage = registered_at(content, Stage::CreateRuntime).is_some();
    let conditions = file["when"].as_object();
    let can_match =
        conditions.is_some_and(|when| when.values().any(|value| *value != json!(false)));
    [
        (file["version"] == VERSION, format!("its version is not {VERSION:?}")),
        (has_stage, format!("its stages have no \"{}\"", Stage::CreateRuntime)),
        (can_match, "its \"when\" has nothing to match".to_owned()),
    ]
    .into_iter()
    .find_map(|(right, flaw)| (!right).then_some(flaw))
}

/// Whether a hooks file is for some containers only.
pub fn is_selective(content: &[u8]) -> bool {
    let file: Option<Value> = serde_json::from_slice(content).ok();
    file.is_some_and(|file| file["when"] != json!({"always": true}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(conditions: &[&str]) -> Result<Value, WhenError> {
        let conditions: Result<Vec<Condition>, WhenError> =
            conditions.iter().map(|text| text.parse()).collect();
        Ok(serde_json::to_value(When::new(&conditions?)?).unwrap())
    }

    #[test]
    fn conditions_are_those_of_oci_hooks() {
        assert_eq!(when(&[]), Ok(json!({"always": true})));
        assert_eq!(when(&["always"]), Ok(json!({"always": true})));
        assert_eq!(when(&["bind-mounts"]), Ok(json!({"hasBindMounts": true})));
        assert_eq!(
            when(&["command=.*/sh$", "command=^init$"]),
            Ok(json!({"commands": [".*/sh$", "^init$"]}))
        );
        assert_eq!(
            when(&["annotation=io.devgate/on", "annotation=a=^x=y$", "bind-mounts"]),
            Ok(json!({
                "annotations": {r"^io\.devgate/on$": ".*", "^a$": "^x=y$"},
                "hasBindMounts": true
            }))
        );
    }

    #[test]
    fn what_is_no_condition_is_told() {
        for text in ["", "never", "command=", "annotation=", "annotation==x", "always=true"] {
            assert_eq!(when(&[text]), Err(WhenError::Unknown(text.to_owned())));
        }
        for text in ["command=(", "annotation=a=*", r"command=(?=x)", r"command=(.)\1"] {
            assert!(matches!(when(&[text]), Err(WhenError::Regex { .. })), "{text}");
        }
        assert_eq!(when(&["always", "bind-mounts"]), Err(WhenError::AlwaysAnd));
        let twice = when(&["annotation=a", "annotation=a=b"]);
        assert_eq!(twice, Err(WhenError::Twice("a".to_owned())));
    }
}
