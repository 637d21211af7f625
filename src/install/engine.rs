//! The engines, and where each looks for hooks.

use std::path::{Path, PathBuf};

use toml_edit::{Item, Value};

use super::document::{item, read_toml};
use super::programs::{find_program, hook_injector};
use super::{InstallError, Root};

/// Something that hooks are registered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// podman.
    Podman,
    /// CRI-O.
    Crio,
    /// NRI's hook-injector, a plugin of containerd and CRI-O.
    Nri,
    /// containerd, by a base runtime spec.
    Containerd,
    /// Whatever takes CDI devices.
    Cdi,
}

/// Where an engine's configuration names hooks directories.
struct HooksSetting {
    /// Files, each with its drop-in directory; later ones win.
    files: &'static [&'static str],
    drop_ins: &'static str,
    /// How a drop-in's name has to end.
    ending: &'static str,
    keys: &'static [&'static str],
}

const USR: &str = "/usr/share/containers/oci/hooks.d";
const ETC: &str = "/etc/containers/oci/hooks.d";

impl Engine {
    /// Every one.
    pub const ALL: [Engine; 5] =
        [Engine::Podman, Engine::Crio, Engine::Nri, Engine::Containerd, Engine::Cdi];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Podman => "podman",
            Engine::Crio => "crio",
            Engine::Nri => "nri",
            Engine::Containerd => "containerd",
            Engine::Cdi => "cdi",
        }
    }

    /// Its program on the machine below the root; none if it has no program of its own, or is
    /// not installed.
    pub fn program(self, root: &Root) -> Option<PathBuf> {
        let name = match self {
            Engine::Podman => "podman",
            Engine::Crio => "crio",
            Engine::Containerd => "containerd",
            Engine::Nri => return hook_injector(root),
            Engine::Cdi => return None,
        };
        find_program(root, name)
    }

    /// The hooks directories that it reads, by its configuration; a later one wins over an
    /// earlier one. None for those that read no such directories.
    ///
    /// Seen with podman 4.3 and 5.4: by itself it reads /usr/share alone, whatever its manual says.
    ///
    /// # Errors
    /// Its configuration can't be read.
    pub fn hooks_dirs(self, root: &Root) -> Result<Vec<PathBuf>, InstallError> {
        let (unset, setting): (&[&str], _) = match self {
            Engine::Podman => (&[USR], Some(PODMAN)),
            Engine::Crio => (&[USR, ETC], Some(CRIO)),
            Engine::Nri => (&[USR, ETC], None),
            Engine::Containerd | Engine::Cdi => (&[], None),
        };
        let mut dirs: Vec<PathBuf> = unset.iter().map(PathBuf::from).collect();
        if let Some(setting) = setting {
            for file in setting.files(root)? {
                setting.read(root, &file, &mut dirs)?;
            }
        }
        Ok(dirs)
    }

    /// The directory that a registration belongs into: the last that is read.
    ///
    /// # Errors
    /// Its configuration can't be read, or turns hooks off.
    pub(super) fn hooks_dir(self, root: &Root) -> Result<PathBuf, InstallError> {
        let off = InstallError::HooksOff { engine: self.name() };
        self.hooks_dirs(root)?.pop().ok_or(off)
    }
}

const PODMAN: HooksSetting = HooksSetting {
    files: &["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"],
    drop_ins: "/etc/containers/containers.conf.d",
    ending: ".conf",
    keys: &["engine", "hooks_dir"],
};

const CRIO: HooksSetting = HooksSetting {
    files: &["/etc/crio/crio.conf"],
    drop_ins: "/etc/crio/crio.conf.d",
    ending: "",
    keys: &["crio", "runtime", "hooks_dir"],
};

impl HooksSetting {
    /// The files, in the order that the engine reads them.
    fn files(&self, root: &Root) -> Result<Vec<PathBuf>, InstallError> {
        let mut files: Vec<PathBuf> = self.files.iter().map(PathBuf::from).collect();
        let mut drop_ins = root.names(Path::new(self.drop_ins))?;
        drop_ins.retain(|name| name.to_string_lossy().ends_with(self.ending));
        drop_ins.sort();
        files.extend(drop_ins.iter().map(|name| Path::new(self.drop_ins).join(name)));
        Ok(files)
    }

    fn read(&self, root: &Root, file: &Path, dirs: &mut Vec<PathBuf>) -> Result<(), InstallError> {
        let Some(document) = read_toml(root, file)? else { return Ok(()) };
        let values = item(&document, self.keys).and_then(Item::as_array);
        let Some(values) = values else { return Ok(()) };
        // podman 5: a last element {append = true} adds to what earlier files said.
        let appends = |value: &Value| {
            let table = value.as_inline_table();
            table.and_then(|table| table.get("append")).and_then(Value::as_bool) == Some(true)
        };
        if !values.iter().any(appends) {
            dirs.clear();
        }
        dirs.extend(values.iter().filter_map(Value::as_str).map(PathBuf::from));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path()).unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        (dir, root)
    }

    fn hooks_dirs(engine: Engine, files: &[(&str, &str)]) -> Vec<String> {
        let (_dir, root) = machine(files);
        let dirs = engine.hooks_dirs(&root).unwrap();
        dirs.iter().map(|dir| dir.display().to_string()).collect()
    }

    #[test]
    fn unset_it_is_what_the_engine_has_built_in() {
        assert_eq!(hooks_dirs(Engine::Podman, &[]), [USR]);
        assert_eq!(hooks_dirs(Engine::Crio, &[]), [USR, ETC]);
        assert_eq!(hooks_dirs(Engine::Nri, &[]), [USR, ETC]);
        assert!(hooks_dirs(Engine::Cdi, &[]).is_empty());
    }

    #[test]
    fn the_last_file_that_says_so_wins() {
        let main = ("etc/containers/containers.conf", "[engine]\nhooks_dir = [\"/a\", \"/b\"]\n");
        let drop_in = "etc/containers/containers.conf.d/9.conf";
        assert_eq!(hooks_dirs(Engine::Podman, &[main]), ["/a", "/b"]);
        let other = (drop_in, "[engine]\nhooks_dir = [\"/c\"]\n");
        assert_eq!(hooks_dirs(Engine::Podman, &[main, other]), ["/c"]);
        let more = (drop_in, "[engine]\nhooks_dir = [\"/c\", {append = true}]\n");
        assert_eq!(hooks_dirs(Engine::Podman, &[main, more]), ["/a", "/b", "/c"]);
        let silent = (drop_in, "[engine]\nruntime = \"crun\"\n");
        assert_eq!(hooks_dirs(Engine::Podman, &[main, silent]), ["/a", "/b"]);
        let crio = ("etc/crio/crio.conf", "[crio.runtime]\nhooks_dir = [\"/d\"]\n");
        assert_eq!(hooks_dirs(Engine::Crio, &[crio]), ["/d"]);
    }

    #[test]
    fn hooks_that_are_turned_off_are_an_error() {
        let off = ("etc/containers/containers.conf", "[engine]\nhooks_dir = []\n");
        let (_dir, root) = machine(&[off]);
        let error = Engine::Podman.hooks_dir(&root).unwrap_err();
        assert_eq!(error.to_string(), "podman's configuration turns hooks off (hooks_dir = [])");
    }

    #[test]
    fn a_broken_configuration_is_named_with_its_line() {
        let (_dir, root) = machine(&[("etc/crio/crio.conf", "[crio]\n[crio.runtime\n")]);
        let error = Engine::Crio.hooks_dirs(&root).unwrap_err().to_string();
        assert!(error.starts_with("/etc/crio/crio.conf is not TOML: line 2: "), "{error}");
    }

    #[test]
    fn engines_are_found_by_their_programs() {
        let (_dir, root) =
            machine(&[("usr/bin/crio", ""), ("opt/nri/plugins/10-hook-injector", "")]);
        assert_eq!(Engine::Crio.program(&root), Some("/usr/bin/crio".into()));
        assert_eq!(Engine::Podman.program(&root), None);
        let plugin = Engine::Nri.program(&root);
        assert_eq!(plugin, Some("/opt/nri/plugins/10-hook-injector".into()));
    }
}
