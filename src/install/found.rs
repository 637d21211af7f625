//! Where the hook is registered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::engine::{Engine, names};
use super::registration::Registration;
use super::{CONFIG, InstallError, Root, cdi, containerd, hooks_dir};

/// A registration that an engine finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The engine.
    pub engine: Engine,
    /// The file that names the hook, as the engine calls it.
    pub file: PathBuf,
    /// The hook.
    pub registration: Registration,
}

/// What was found of an engine's registrations.
#[derive(Debug)]
pub struct Search {
    /// The registrations.
    pub found: Vec<Found>,
    /// Where was looked.
    pub places: Vec<PathBuf>,
    /// Files that the engine reads and can't use: they are no JSON, or not there.
    pub unusable: Vec<PathBuf>,
}

/// Looks for registrations of devgate where the engine looks for hooks.
///
/// # Errors
/// The engine's configuration, or a file that it reads, can't be read.
pub fn find(root: &Root, engine: Engine) -> Result<Search, InstallError> {
    match engine {
        Engine::Podman | Engine::Crio | Engine::Nri => {
            let dirs = engine.hooks_dirs(root)?;
            in_dirs(root, engine, dirs, hooks_dir::registered)
        }
        Engine::Cdi => {
            let dirs = cdi::dirs().map(Path::to_owned).to_vec();
            in_dirs(root, engine, dirs, cdi::registered)
        }
        Engine::Containerd => in_base_specs(root),
    }
}

type Reader = fn(&[u8]) -> Option<Registration>;

fn in_dirs(
    root: &Root,
    engine: Engine,
    dirs: Vec<PathBuf>,
    registered: Reader,
) -> Result<Search, InstallError> {
    // A file in a later directory masks those of the same name in earlier ones.
    let mut files = BTreeMap::new();
    for dir in &dirs {
        let names = names(&root.at(dir)?).into_iter();
        let json = names.filter(|name| Path::new(name).extension().is_some_and(|e| e == "json"));
        files.extend(json.map(|name| (name.clone(), dir.join(name))));
    }
    let mut search = Search { found: Vec::new(), places: dirs, unusable: Vec::new() };
    for file in files.into_values() {
        search.look_into(root, engine, file, registered)?;
    }
    Ok(search)
}

fn in_base_specs(root: &Root) -> Result<Search, InstallError> {
    let config = PathBuf::from(CONFIG);
    let specs = containerd::base_specs(root, &config)?;
    let mut search = Search { found: Vec::new(), places: vec![config], unusable: Vec::new() };
    for file in specs {
        search.look_into(root, Engine::Containerd, file, containerd::registered)?;
    }
    Ok(search)
}

impl Search {
    fn look_into(
        &mut self,
        root: &Root,
        engine: Engine,
        file: PathBuf,
        registered: Reader,
    ) -> Result<(), InstallError> {
        let content = root.read(&file)?.unwrap_or_default();
        if serde_json::from_slice::<IgnoredAny>(&content).is_err() {
            self.unusable.push(file);
        } else if let Some(registration) = registered(&content) {
            self.found.push(Found { engine, file, registration });
        }
        Ok(())
    }
}
