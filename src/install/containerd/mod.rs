//! containerd: hooks come by a runtime's base spec, which its config.toml names.

mod config;
mod removal;
mod spec;
mod style;

use std::path::{Path, PathBuf};

use config::ConfigToml;
use removal::Removed;
pub use spec::{SpecSource, registered};

use super::document::{self, read_toml};
use super::plan::{Change, Foreign, Plan};
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
        let mut changes = vec![Change::own(root, base, spec, ours, foreign)?];
        let notes = match self.apply {
            Apply::Show => vec![self.lines(root, handler)?],
            Apply::Edit => {
                let (edits, notes) = self.edits(root, handler, foreign)?;
                changes.extend(edits);
                notes
            }
        };
        Ok(Plan { changes, notes })
    }

    fn edits(
        &self,
        root: &Root,
        handler: &str,
        foreign: Foreign,
    ) -> Result<(Vec<Change>, Vec<String>), InstallError> {
        let mut edited = ConfigToml::read(root, &self.config)?;
        let base = self.base_spec()?;
        let is_first = !edited.names(&base);
        edited.register(handler, &base, foreign)?;
        let before = root.read(&self.config)?;
        let after = edited.text();
        let mut notes = edited.warnings();
        if before.as_deref() == Some(after.as_slice()) {
            return Ok((Vec::new(), notes));
        }
        notes.push(RESTART.to_owned());
        let mut changes = Vec::new();
        // The copy is of what it was without devgate.
        if let Some(before) = before.filter(|_| is_first) {
            let content = (before, 0o600);
            // Its name says whose it is.
            let backup = Change::own(root, &self.backup(), content, |_| true, Foreign::Overwrite)?;
            notes.push(format!("{} is as it was before", backup.path().display()));
            changes.push(backup);
        }
        changes.push(Change::edit(root, &self.config, after, 0o644)?);
        Ok((changes, notes))
    }

    /// What to write into config.toml, by hand.
    fn lines(&self, root: &Root, handler: &str) -> Result<String, InstallError> {
        let (config, base) = (self.config.display(), self.base_spec()?);
        let document = read_toml(root, &self.config)?.unwrap_or_default();
        if config::specs(&document).any(|spec| spec == base) {
            return Ok(format!("{config} names it already"));
        }
        let lines = config::lines(handler, &base);
        Ok(format!("to be written into {config} (--apply does it):\n{lines}\n{RESTART}"))
    }

    /// Takes the base spec out of config.toml and removes it, if it names one of `which` or is
    /// not there.
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
        if there.is_some_and(|content| !ours(&content)) {
            return Ok(Plan::default());
        }
        let mut plan = match removal::remove(root, &self.config, &self.backup(), &base)? {
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

/// The base specs that a config.toml names.
///
/// # Errors
/// It can't be read.
pub fn base_specs(root: &Root, config: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let Some(document) = read_toml(root, config)? else { return Ok(Vec::new()) };
    Ok(config::specs(&document).map(PathBuf::from).collect())
}

/// What keeps a config.toml's base specs from being used: warnings.
///
/// # Errors
/// It can't be read.
pub fn warnings(root: &Root, config: &Path) -> Result<Vec<String>, InstallError> {
    Ok(read_toml(root, config)?.map(|document| config::warnings(&document)).unwrap_or_default())
}
