//! containerd: hooks come by a runtime's base spec, which its config.toml names.

mod config;
mod ctr;
mod major;
mod removal;
mod spec;
mod style;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use config::{ConfigToml, UNWRITTEN};
pub use major::Major;
use removal::Removed;
pub use spec::{SpecSource, registered, registered_at};

use super::document;
use super::plan::{Change, Foreign, Plan, Step};
use super::registration::Registration;
use super::{InstallError, Root, registrable};

/// The base spec's name, beside the configuration.
const BASE_SPEC: &str = "devgate-base.json";

/// containerd's configuration, unless it is told otherwise.
pub const CONFIG: &str = "/etc/containerd/config.toml";

/// The runtime that containerd has by itself.
pub const RUNC: &str = "runc";

const RESTART: &str =
    "containerd reads it when it is restarted (systemctl restart containerd): containers go on";

/// Whether config.toml is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// It stays as it is; what to write there is noted.
    Show,
    /// It is edited, and a copy of it kept.
    Edit,
}

/// A registration by base spec.
#[derive(Clone, Debug)]
pub struct Containerd {
    /// The config.toml.
    pub config: PathBuf,
    /// Whether config.toml is edited.
    pub apply: Apply,
}

impl Containerd {
    /// Writes the base spec, and names it in config.toml for the runtime `handler`.
    ///
    /// # Errors
    /// The base spec can't be had, the file is not devgate's, or config.toml can't be edited.
    pub fn install(
        &self,
        root: &Root,
        hook: &Registration,
        source: &SpecSource,
        handler: &str,
        foreign: Foreign,
    ) -> Result<Plan, InstallError> {
        let base = self.base_spec()?;
        let base = Path::new(&base);
        let spec = spec::with_hook(source.read(root, base)?, source, hook)?;
        let ours = |content: &[u8]| registered(content).is_some();
        let spec = (document::json(&spec), 0o644);
        let mut plan = Plan::default();
        plan.changes.push(Change::own(root, base, spec, ours, foreign)?);
        match self.apply {
            Apply::Show => plan.notes.extend(self.lines(root, handler)?),
            Apply::Edit => plan.and(self.edits(root, handler, foreign)?),
        }
        if plan.changes.iter().any(|change| change.step() != Step::Unchanged) {
            plan.notes.push(RESTART.to_owned());
        }
        Ok(plan)
    }

    fn edits(&self, root: &Root, handler: &str, foreign: Foreign) -> Result<Plan, InstallError> {
        let before = root.read(&self.config)?;
        let mut edited = ConfigToml::parse(&self.config, before.as_deref().unwrap_or(UNWRITTEN))?;
        let base = self.base_spec()?;
        let is_first = edited.handlers_of(&base).is_empty();
        edited.register(handler, &base, foreign)?;
        let mut plan = Plan { changes: Vec::new(), notes: edited.warnings() };
        let after = edited.text()?;
        if before.as_deref() == Some(after.as_slice()) {
            return Ok(plan);
        }
        // The copy is of what it was without devgate.
        if let Some(before) = before.clone().filter(|_| is_first) {
            let content = (before, 0o600);
            // Its name says whose it is.
            let copy = Change::own(root, &self.backup(), content, |_| true, Foreign::Overwrite)?;
            plan.notes.push(format!("the former config.toml is kept as {}", copy.path().display()));
            plan.changes.push(copy);
        }
        plan.changes.push(Change::edit(root, &self.config, before, Some(after), 0o644)?);
        Ok(plan)
    }

    /// What to write into config.toml, by hand; none if it is there.
    fn lines(&self, root: &Root, handler: &str) -> Result<Option<String>, InstallError> {
        let base = self.base_spec()?;
        let config = ConfigToml::read(root, &self.config)?;
        if config.is_some_and(|config| config.handlers_of(&base).iter().any(|has| has == handler)) {
            return Ok(None);
        }
        let lines = config::lines(handler, &base);
        let config = self.config.display();
        Ok(Some(format!("to be written into {config} (--apply does it):\n{lines}")))
    }

    /// Takes the base spec out of config.toml and removes it, if it names one of `which` or is
    /// not there. Where files are imported that may name it, it stays.
    ///
    /// # Errors
    /// config.toml names it and is not to be edited: containerd would run without its CRI.
    pub fn uninstall(
        &self,
        root: &Root,
        which: impl Fn(&Registration) -> bool,
    ) -> Result<Plan, InstallError> {
        let base = self.base_spec()?;
        let there = root.read(Path::new(&base))?;
        let ours = |content: &[u8]| registered(content).as_ref().is_some_and(&which);
        if there.as_deref().is_some_and(|content| !ours(content)) {
            return Ok(Plan::default());
        }
        let mut plan = match removal::remove(root, &self.config, &self.backup(), &base)? {
            None if there.is_some() && self.has_imports(root)? => {
                let config = self.config.display();
                let stays = format!("{base} stays: what {config} imports may name it");
                return Ok(Plan { changes: Vec::new(), notes: vec![stays] });
            }
            None => Plan::default(),
            Some(_) if self.apply == Apply::Show => {
                let (config, spec) = (self.config.clone(), base.into());
                return Err(InstallError::StillNamed { config, spec });
            }
            Some(Removed { changes, notes }) => {
                Plan { changes, notes: [vec![RESTART.to_owned()], notes].concat() }
            }
        };
        plan.changes.extend(Change::remove(root, Path::new(&base), ours)?);
        Ok(plan)
    }

    fn has_imports(&self, root: &Root) -> Result<bool, InstallError> {
        let config = ConfigToml::read(root, &self.config)?;
        Ok(config.is_some_and(|config| config.has_imports()))
    }

    fn base_spec(&self) -> Result<String, InstallError> {
        let path = self.config.with_file_name(BASE_SPEC);
        registrable("the configuration", &path).map(str::to_owned)
    }

    fn backup(&self) -> PathBuf {
        let mut name = self.config.clone().into_os_string();
        name.push(".devgate-backup");
        name.into()
    }
}

/// The base specs that a config.toml names, each once.
///
/// # Errors
/// It can't be read.
pub fn base_specs(root: &Root, config: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let config = ConfigToml::read(root, config)?;
    let named = config.iter().flat_map(ConfigToml::specs).map(|(_, spec)| PathBuf::from(spec));
    let named: BTreeSet<PathBuf> = named.collect();
    Ok(named.into_iter().collect())
}

/// The runtimes of a config.toml that have this base spec.
///
/// # Errors
/// It can't be read.
pub fn handlers(root: &Root, config: &Path, spec: &Path) -> Result<Vec<String>, InstallError> {
    let config = ConfigToml::read(root, config)?;
    let spec = spec.to_str().unwrap_or_default();
    Ok(config.map(|config| config.handlers_of(spec)).unwrap_or_default())
}

/// What may keep a config.toml's base specs from being used: warnings.
///
/// # Errors
/// It can't be read.
pub fn warnings(root: &Root, config: &Path) -> Result<Vec<String>, InstallError> {
    let config = ConfigToml::read(root, config)?;
    Ok(config.map(|config| config.warnings()).unwrap_or_default())
}
