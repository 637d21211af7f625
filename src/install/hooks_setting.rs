//! Where an engine's configuration names its hooks directories, and a drop-in that adds one.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use toml_edit::{Array, Item, Value};

use super::document::{item, read_toml};
use super::engine::Engine;
use super::plan::{Change, Foreign};
use super::{InstallError, Root};
use crate::files::Last;

/// How an engine's configuration names hooks directories.
pub(super) struct HooksSetting {
    /// Files that are read first; later ones win.
    files: &'static [&'static str],
    /// A directory of files that are read after them, in the order of their names.
    drop_ins: &'static str,
    /// How a drop-in's name must end.
    ending: &'static str,
    /// Whether directories below `drop_ins` are read too.
    nested: bool,
    keys: [&'static str; 2],
    /// The name of our drop-in: late in the order.
    drop_in: &'static str,
    /// The directory that our drop-in adds. It is ours alone, so that no hook that lay dormant
    /// elsewhere starts to run with it.
    added: &'static str,
    /// What the operator must do so that the engine reads the setting again.
    pub(super) on_change: Option<&'static str>,
}

/// containers.conf(5).
pub(super) const PODMAN: HooksSetting = HooksSetting {
    files: &["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"],
    drop_ins: "/etc/containers/containers.conf.d",
    ending: ".conf",
    nested: false,
    keys: ["engine", "hooks_dir"],
    drop_in: "/etc/containers/containers.conf.d/99-devgate.conf",
    added: "/etc/devgate/podman/hooks.d",
    on_change: None,
};

/// crio.conf.d(5), and `UpdateFromPath` of CRI-O 1.37: it walks the whole tree, and a file may
/// have any name.
pub(super) const CRIO: HooksSetting = HooksSetting {
    files: &["/etc/crio/crio.conf"],
    drop_ins: "/etc/crio/crio.conf.d",
    ending: "",
    nested: true,
    keys: ["crio.runtime", "hooks_dir"],
    drop_in: "/etc/crio/crio.conf.d/99-devgate.conf",
    added: "/etc/devgate/crio/hooks.d",
    on_change: Some(
        "systemctl restart crio: it reads hooks_dir when it starts only, and a reload is not enough",
    ),
};

/// The first line of our drop-in, by which it is known.
const MARK: &str = "# Written by devgate install; devgate uninstall removes it.";

const WHY: &str = "# The other directories that hooks are read from can't be written to.";

/// What the configuration says.
pub(super) struct Effective {
    /// The directories; a later one wins over an earlier one.
    pub(super) dirs: Vec<PathBuf>,
    /// The files that say so.
    pub(super) said_by: Vec<PathBuf>,
}

impl HooksSetting {
    /// The directories that the engine reads, `unset` if no file names any.
    pub(super) fn effective(&self, root: &Root, unset: &[&str]) -> Result<Effective, InstallError> {
        self.effective_of(root, unset, &self.all_files(root)?)
    }

    fn effective_of(
        &self,
        root: &Root,
        unset: &[&str],
        files: &[PathBuf],
    ) -> Result<Effective, InstallError> {
        let dirs = unset.iter().map(PathBuf::from).collect();
        let mut effective = Effective { dirs, said_by: Vec::new() };
        for file in files {
            let Some(values) = self.values(root, file)? else { continue };
            if !values.iter().any(appends) {
                effective.dirs.clear();
            }
            let named = values.iter().filter_map(Value::as_str).map(PathBuf::from);
            effective.dirs.extend(named);
            effective.said_by.push(file.clone());
        }
        Ok(effective)
    }

    /// Our drop-in, if it is there.
    fn is_added(&self, root: &Root) -> Result<bool, InstallError> {
        Ok(root.read(Path::new(self.drop_in))?.is_some_and(|content| is_ours(&content)))
    }

    /// A directory that a registration can be written to and that is still there after a reboot,
    /// the last of those that the engine reads. If there is none, ours, with the drop-in that
    /// makes the engine read it.
    pub(super) fn writable(
        &self,
        engine: Engine,
        root: &Root,
        unset: &[&str],
        foreign: Foreign,
    ) -> Result<(PathBuf, Option<Change>), InstallError> {
        let mut files = self.all_files(root)?;
        files.retain(|file| file != Path::new(self.drop_in));
        let others = self.effective_of(root, unset, &files)?;
        let off = InstallError::HooksOff { engine: engine.name() };
        let last = others.dirs.last().ok_or(off)?.clone();
        if !self.is_added(root)? {
            for dir in others.dirs.iter().rev() {
                if is_lasting(dir) && is_writable(root, dir)? {
                    return Ok((dir.clone(), None));
                }
            }
        }
        let overruling = others.said_by.into_iter().find(|file| self.is_after_ours(file));
        if let Some(file) = overruling {
            return Err(InstallError::Overruled { file, last, added: self.added.into() });
        }
        let content = self.drop_in_content(&others.dirs);
        let file = Path::new(self.drop_in);
        let change = Change::own(root, file, (content.into_bytes(), 0o644), is_ours, foreign)?;
        Ok((self.added.into(), Some(change)))
    }

    /// The drop-in goes, if it is ours.
    pub(super) fn without_ours(&self, root: &Root) -> Result<Option<Change>, InstallError> {
        Change::remove(root, Path::new(self.drop_in), is_ours)
    }

    /// The directory that our drop-in adds.
    pub(super) fn added(&self) -> &'static Path {
        Path::new(self.added)
    }

    fn is_after_ours(&self, file: &Path) -> bool {
        file.starts_with(self.drop_ins) && file > Path::new(self.drop_in)
    }

    fn drop_in_content(&self, dirs: &[PathBuf]) -> String {
        let dirs = dirs.iter().map(PathBuf::as_path).chain([self.added()]);
        let array: Array = dirs.map(|dir| dir.to_string_lossy().into_owned()).collect();
        let [table, key] = self.keys;
        format!("{MARK}\n{WHY}\n[{table}]\n{key} = {array}\n")
    }

    fn values(&self, root: &Root, file: &Path) -> Result<Option<Array>, InstallError> {
        let Some(document) = read_toml(root, file)? else { return Ok(None) };
        let keys: Vec<&str> = self.keys.iter().flat_map(|keys| keys.split('.')).collect();
        Ok(item(&document, &keys).and_then(Item::as_array).cloned())
    }

    /// The files, in the order that the engine reads them.
    fn all_files(&self, root: &Root) -> Result<Vec<PathBuf>, InstallError> {
        let mut files: Vec<PathBuf> = self.files.iter().map(PathBuf::from).collect();
        self.add_drop_ins(root, Path::new(self.drop_ins), &mut files)?;
        Ok(files)
    }

    fn add_drop_ins(
        &self,
        root: &Root,
        dir: &Path,
        files: &mut Vec<PathBuf>,
    ) -> Result<(), InstallError> {
        let mut names = root.names(dir)?;
        names.sort();
        for name in names {
            let path = dir.join(&name);
            if root.is_dir(&path) {
                if self.nested {
                    self.add_drop_ins(root, &path, files)?;
                }
            } else if name.to_string_lossy().ends_with(self.ending) {
                files.push(path);
            }
        }
        Ok(())
    }
}

/// podman 5: with a last element `{append = true}` the list adds to what earlier files said.
fn appends(value: &Value) -> bool {
    let table = value.as_inline_table();
    table.and_then(|table| table.get("append")).and_then(Value::as_bool) == Some(true)
}

fn is_ours(content: &[u8]) -> bool {
    content.starts_with(MARK.as_bytes())
}

/// What is in these is gone after a reboot.
fn is_lasting(dir: &Path) -> bool {
    !["/run", "/var/run", "/tmp"].iter().any(|top| dir.starts_with(top))
}

/// Whether a file can be made there: nothing is tried, and of a directory that is yet to be made
/// the nearest one above it is asked. Whose the directory is does not matter here.
fn is_writable(root: &Root, dir: &Path) -> Result<bool, InstallError> {
    let way = root.follow(dir, Last::Follow)?;
    let nearest = way.deepest().magic_link();
    // A read-only file system, or a directory with chattr(1)'s +i.
    Ok(!matches!(access(&nearest, AccessFlags::W_OK), Err(Errno::EROFS | Errno::EPERM)))
}
