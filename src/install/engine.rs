//! The engines, and where each looks for hooks.

use std::path::PathBuf;

use super::hooks_setting::{self, HooksSetting};
use super::plan::{Change, Foreign};
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
    /// Seen with podman 4.3 and 5.4, and with CRI-O 1.37: by themselves they read /usr/share
    /// alone, whatever podman(1) says.
    ///
    /// # Errors
    /// Its configuration can't be read.
    pub fn hooks_dirs(self, root: &Root) -> Result<Vec<PathBuf>, InstallError> {
        match self.setting() {
            Some(setting) => Ok(setting.effective(root, self.unset())?.dirs),
            None => Ok(self.unset().iter().map(PathBuf::from).collect()),
        }
    }

    /// The files of its configuration that name hooks directories.
    ///
    /// # Errors
    /// Its configuration can't be read.
    pub fn hooks_dirs_said_by(self, root: &Root) -> Result<Vec<PathBuf>, InstallError> {
        let Some(setting) = self.setting() else { return Ok(Vec::new()) };
        Ok(setting.effective(root, self.unset())?.said_by)
    }

    /// The directories that it reads by itself.
    fn unset(self) -> &'static [&'static str] {
        match self {
            Engine::Podman | Engine::Crio => &[USR],
            Engine::Nri => &[USR, ETC],
            Engine::Containerd | Engine::Cdi => &[],
        }
    }

    pub(super) fn setting(self) -> Option<&'static HooksSetting> {
        match self {
            Engine::Podman => Some(&hooks_setting::PODMAN),
            Engine::Crio => Some(&hooks_setting::CRIO),
            Engine::Nri | Engine::Containerd | Engine::Cdi => None,
        }
    }

    /// The directory that a registration belongs into: the last that is read and can be written
    /// to. If none can, the change that makes the engine read one more.
    ///
    /// # Errors
    /// Its configuration can't be read, or turns hooks off, or would overrule that change.
    pub(super) fn hooks_dir(
        self,
        root: &Root,
        foreign: Foreign,
    ) -> Result<(PathBuf, Option<Change>), InstallError> {
        if let Some(setting) = self.setting() {
            return setting.writable(self, root, self.unset(), foreign);
        }
        let off = InstallError::HooksOff { engine: self.name() };
        Ok((self.hooks_dirs(root)?.pop().ok_or(off)?, None))
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
        assert_eq!(hooks_dirs(Engine::Crio, &[]), [USR]);
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
    }

    /// CRI-O walks the whole tree in the order of names, whatever these end with.
    #[test]
    fn cri_os_drop_ins_are_read_as_it_reads_them() {
        const MAIN: (&str, &str) = ("etc/crio/crio.conf", "[crio.runtime]\nhooks_dir = ['/d']\n");
        let found = |name: &str, content| {
            let path = format!("etc/crio/crio.conf.d/{name}");
            hooks_dirs(Engine::Crio, &[MAIN, (&path, content)])
        };
        for name in ["00.conf", "x", "10-more/1.conf"] {
            let says = "[crio]\nruntime.hooks_dir = ['/e', '/f']\n";
            assert_eq!(found(name, says), ["/e", "/f"], "{name}");
        }
        assert_eq!(found("0.conf", "[crio.runtime]\nselinux = true\n"), ["/d"]);
        let later = [
            ("etc/crio/crio.conf.d/a/z", "[crio.runtime]\nhooks_dir = ['/first']\n"),
            ("etc/crio/crio.conf.d/a.conf", "[crio.runtime]\nhooks_dir = ['/last']\n"),
        ];
        assert_eq!(hooks_dirs(Engine::Crio, &later), ["/last"]);
    }

    #[test]
    fn hooks_that_are_turned_off_are_an_error() {
        let off = ("etc/containers/containers.conf", "[engine]\nhooks_dir = []\n");
        let (_dir, root) = machine(&[off]);
        let error = Engine::Podman.hooks_dir(&root, Foreign::Refuse).unwrap_err();
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
