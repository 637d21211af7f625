//! The state that a runtime writes to a hook's standard input (runtime-spec, "State").

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::{Config, parse_config};
use super::document::{Document, OciError, read_bounded, read_regular_file};
use super::json::{Plain, parse_first};

/// What a hook needs of the state. Runtimes add keys of their own, and know statuses that are
/// not in the specification: these are not looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// The container's name to its runtime.
    pub id: String,
    /// The container's process on the host; absent where there is none.
    #[serde(default)]
    pid: Option<i64>,
    #[serde(default)]
    bundle: Option<PathBuf>,
    /// Annotations; absent where there are none.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl State {
    /// The container's process.
    ///
    /// # Errors
    /// There is none, or its id is none that a process can have.
    pub fn pid(&self) -> Result<i32, OciError> {
        let pid = self.pid.ok_or_else(|| {
            value("pid", "missing (expected the container's process id)".to_owned())
        })?;
        i32::try_from(pid).ok().filter(|pid| *pid > 0).ok_or_else(|| {
            value("pid", format!("{pid} is not a process id (expected 1..={})", i32::MAX))
        })
    }

    fn bundle(&self) -> Result<&Path, OciError> {
        let bundle = self.bundle.as_deref().ok_or_else(|| {
            value("bundle", "missing (expected the bundle's absolute path)".to_owned())
        })?;
        match bundle.is_absolute() {
            true => Ok(bundle),
            false => Err(value(
                "bundle",
                format!("{:?} is relative (expected an absolute path)", bundle),
            )),
        }
    }
}

fn value(path: &str, problem: String) -> OciError {
    OciError::Value { document: Document::State, path: path.to_owned(), problem }
}

/// All that a hook works on.
#[derive(Clone, Debug)]
pub struct HookInput {
    /// The container's state.
    pub state: State,
    /// The container's rules.
    pub config: Config,
}

/// The state on `stdin`, and config.json: a second JSON document on `stdin`, or in the state's
/// bundle.
///
/// # Errors
/// Names the document, the JSON path and what was expected.
pub fn read_hook_input(stdin: impl Read) -> Result<HookInput, OciError> {
    let bytes = read_bounded(stdin, &Document::State)?;
    let (state, length) = parse_first(&Document::State, &bytes, Plain::<State>::new())?;
    let rest = bytes.get(length..).unwrap_or_default();
    let config = match rest.iter().all(u8::is_ascii_whitespace) {
        false => parse_config(rest, Document::ConfigOnStdin)?,
        true => config_of_bundle(state.bundle()?)?,
    };
    Ok(HookInput { state, config })
}

fn config_of_bundle(bundle: &Path) -> Result<Config, OciError> {
    match bundle.metadata() {
        Err(source) => {
            Err(value("bundle", format!("{} can't be read: {source}", bundle.display())))
        }
        Ok(metadata) if !metadata.is_dir() => {
            Err(value("bundle", format!("{} is not a directory", bundle.display())))
        }
        Ok(_) => {
            let (bytes, document) = read_regular_file(&bundle.join("config.json"))?;
            parse_config(&bytes, document)
        }
    }
}
