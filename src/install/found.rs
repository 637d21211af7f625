//! Where the hook is registered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::engine::Engine;
use super::registration::Registration;
use super::{InstallError, Root, cdi, containerd, hooks_dir};
use crate::oci::Stage;

/// A registration that an engine finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The engine.
    pub engine: Engine,
    /// The file that names the hook, as the engine calls it.
    pub file: PathBuf,
    /// The hook.
    pub registration: Registration,
    /// Why it is no hook that the engine runs before a container starts, and can go well.
    pub flaw: Option<String>,
    /// Why the engine does not run it after a container has stopped, or why that goes wrong: what
    /// was pinned for the container stays then.
    pub poststop_flaw: Option<String>,
    /// Whether it is for some containers only.
    pub is_selective: bool,
}

/// What was found of an engine's registrations.
#[derive(Debug)]
pub struct Search {
    /// The registrations.
    pub found: Vec<Found>,
    /// Where was looked.
    pub places: Vec<PathBuf>,
    /// Files that the engine reads and can't use, each with what is wrong with it.
    pub unusable: Vec<(PathBuf, String)>,
}

/// How an engine's files are read.
struct Format {
    registered: fn(&[u8]) -> Option<Registration>,
    registered_at: fn(&[u8], Stage) -> Option<Registration>,
    flaw: fn(&[u8]) -> Option<String>,
    is_selective: fn(&[u8]) -> bool,
    /// Whether the engine minds a file that a link names and that is not there.
    needs_file: bool,
}

const HOOKS_DIR: Format = Format {
    registered: hooks_dir::registered,
    registered_at: hooks_dir::registered_at,
    flaw: hooks_dir::flaw,
    is_selective: hooks_dir::is_selective,
    needs_file: false,
};
const CDI: Format = Format {
    registered: cdi::registered,
    registered_at: cdi::registered_at,
    flaw: |content| without_create_runtime(cdi::registered_at, content),
    is_selective: |_| false,
    needs_file: false,
};
const BASE_SPEC: Format = Format {
    registered: containerd::registered,
    registered_at: containerd::registered_at,
    flaw: |content| without_create_runtime(containerd::registered_at, content),
    is_selective: |_| false,
    needs_file: true,
};

fn without_create_runtime(
    registered_at: fn(&[u8], Stage) -> Option<Registration>,
    content: &[u8],
) -> Option<String> {
    let stage = Stage::CreateRuntime;
    registered_at(content, stage).is_none().then(|| format!("it has no {stage} hook of devgate's"))
}

/// Looks for registrations of devgate where the engine looks for hooks. `config` is containerd's
/// configuration.
///
/// # Errors
/// The engine's configuration can't be read.
pub fn find(root: &Root, engine: Engine, config: &Path) -> Result<Search, InstallError> {
    let (format, places, files) = match engine {
        Engine::Podman | Engine::Crio | Engine::Nri => {
            let dirs = engine.hooks_dirs(root)?;
            let files = json_files(root, &dirs)?;
            (HOOKS_DIR, dirs, files)
        }
        Engine::Cdi => {
            let dirs = cdi::dirs().map(Path::to_owned).to_vec();
            let files = json_files(root, &dirs)?;
            (CDI, dirs, files)
        }
        Engine::Containerd => {
            (BASE_SPEC, vec![config.to_owned()], containerd::base_specs(root, config)?)
        }
    };
    let mut search = Search { found: Vec::new(), places, unusable: Vec::new() };
    for file in files {
        search.look_into(root, engine, file, &format);
    }
    Ok(search)
}

/// A file in a later directory masks those of the same name in earlier ones.
fn json_files(root: &Root, dirs: &[PathBuf]) -> Result<Vec<PathBuf>, InstallError> {
    let mut files = BTreeMap::new();
    for dir in dirs {
        let names = root.names(dir)?.into_iter();
        let json = names.filter(|name| Path::new(name).extension().is_some_and(|e| e == "json"));
        files.extend(json.map(|name| (name.clone(), dir.join(name))));
    }
    Ok(files.into_values().collect())
}

impl Search {
    fn look_into(&mut self, root: &Root, engine: Engine, file: PathBuf, format: &Format) {
        let content = match root.read(&file) {
            Ok(Some(content)) => content,
            Ok(None) if format.needs_file => {
                self.unusable.push((file, "there is no such file".to_owned()));
                return;
            }
            Ok(None) => return,
            Err(error) => {
                let why = match error {
                    InstallError::Read { source, .. } => source.to_string(),
                    error => error.to_string(),
                };
                self.unusable.push((file, why));
                return;
            }
        };
        if serde_json::from_slice::<IgnoredAny>(&content).is_err() {
            self.unusable.push((file, "not JSON".to_owned()));
        } else if let Some(registration) = (format.registered)(&content) {
            let flaw = (format.flaw)(&content);
            let flaw = flaw.or_else(|| registration.flaw(Stage::CreateRuntime));
            let poststop = (format.registered_at)(&content, Stage::Poststop);
            let poststop_flaw = poststop_flaw(&registration, poststop);
            let is_selective = (format.is_selective)(&content);
            let found = Found { engine, file, registration, flaw, poststop_flaw, is_selective };
            self.found.push(found);
        }
    }
}

fn poststop_flaw(registration: &Registration, poststop: Option<Registration>) -> Option<String> {
    let Some(poststop) = poststop else {
        return Some(format!("the hook is not called at {}", Stage::Poststop));
    };
    if poststop.binary != registration.binary {
        return Some(format!("at {} {} is called", Stage::Poststop, poststop.binary.display()));
    }
    poststop.flaw(Stage::Poststop)
}
