//! containerd: hooks come by a runtime's base spec, which its config.toml names.

mod config;
mod spec;

use std::path::{Path, PathBuf};

use config::{ConfigToml, Removed};
pub use spec::{SpecSource, registered};

use super::engine::read_toml;
use super::hooks_dir::text;
use super::plan::{Change, Foreign, Plan};
use super::registration::Registration;
use super::{InstallError, Root};

/// The base spec that is written.
pub const BASE_SPEC: &str = "/etc/containerd/devgate-base.json";

/// containerd's configuration, unless it is told otherwise.
pub const CONFIG: &str = "/etc/containerd/config.toml";

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
    /// The runtime whose containers get the hook.
    pub handler: String,
    /// Whether config.toml is edited.
    pub apply: Apply,
}

impl Containerd {
    /// Writes the base spec, and names it in config.toml.
    ///
    /// # Errors
    /// The base spec can't be had, the file is not devgate's, or config.toml can't be edited.
    pub fn install(
        &self,
        root: &Root,
        hook: &Registration,
        source: &SpecSource,
        foreign: Foreign,
    ) -> Result<Plan, InstallError> {
        let spec = spec::with_hook(source.read(root)?, source, hook)?;
        let ours = |content: &[u8]| registered(content).is_some();
        let base = Path::new(BASE_SPEC);
        let mut changes = vec![Change::write(root, base, text(&spec), 0o644, ours, foreign)?];
        let notes = match self.apply {
            Apply::Show => vec![self.lines(root)?],
            Apply::Edit => {
                let (edits, notes) = self.edits(root, foreign)?;
                changes.extend(edits);
                notes
            }
        };
        Ok(Plan { changes, notes })
    }

    fn edits(
        &self,
        root: &Root,
        foreign: Foreign,
    ) -> Result<(Vec<Change>, Vec<String>), InstallError> {
        let mut edited = ConfigToml::read(root, &self.config)?;
        edited.register(&self.handler, foreign)?;
        let before = root.read(&self.config)?;
        let after = edited.text();
        if before.as_deref() == Some(after.as_slice()) {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut changes = Vec::new();
        let mut notes = vec![RESTART.to_owned()];
        if let Some(before) = before {
            // The name says whose it is.
            let backup = Change::write(root, &self.backup(), before, 0o600, |_| true, foreign)?;
            notes.push(format!("{} is as it was before", backup.path().display()));
            changes.push(backup);
        }
        notes.extend(edited.imports());
        changes.push(Change::write(root, &self.config, after, 0o644, |_| true, foreign)?);
        Ok((changes, notes))
    }

    /// What to write into config.toml, by hand.
    fn lines(&self, root: &Root) -> Result<String, InstallError> {
        let config = self.config.display();
        let named = read_toml(root, &self.config)?
            .is_some_and(|document| config::specs(&document).any(|spec| spec == BASE_SPEC));
        if named {
            return Ok(format!("{config} names it already"));
        }
        let mut note = format!("to be written into {config} (--apply does it):\n");
        for version in config::VERSIONS {
            note += &format!("\n{}", version.lines(&self.handler));
        }
        Ok(note + "\n" + RESTART)
    }

    /// Takes the base spec out of config.toml, and removes it if it names one of `which`.
    ///
    /// # Errors
    /// config.toml names it and is not to be edited: containerd would start no container.
    pub fn uninstall(
        &self,
        root: &Root,
        which: impl Fn(&Registration) -> bool,
    ) -> Result<Plan, InstallError> {
        let ours = |content: &[u8]| registered(content).as_ref().is_some_and(&which);
        let Some(spec) = Change::remove(root, Path::new(BASE_SPEC), ours)? else {
            return Ok(Plan::default());
        };
        let mut plan = match config::remove(root, &self.config, &self.backup())? {
            None => Plan::default(),
            Some(_) if self.apply == Apply::Show => {
                let (config, spec) = (self.config.clone(), PathBuf::from(BASE_SPEC));
                return Err(InstallError::StillNamed { config, spec });
            }
            Some(Removed { changes, notes }) => {
                Plan { changes, notes: [vec![RESTART.to_owned()], notes].concat() }
            }
        };
        plan.changes.push(spec);
        Ok(plan)
    }

    fn backup(&self) -> PathBuf {
        let mut name = self.config.clone().into_os_string();
        name.push(".devgate-backup");
        name.into()
    }
}

/// The base specs that a config.toml names, each with its runtime.
///
/// # Errors
/// It can't be read.
pub fn base_specs(root: &Root, config: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let Some(document) = read_toml(root, config)? else { return Ok(Vec::new()) };
    Ok(config::specs(&document).map(PathBuf::from).collect())
}
