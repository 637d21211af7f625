//! config.toml, edited so that all else in it stays as it is written.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use super::super::engine::{parse_toml, read_toml};
use super::super::plan::{Change, Foreign};
use super::super::{InstallError, Root};

/// A version of config.toml, with the plugin that has the runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    number: i64,
    plugin: &'static str,
    since: &'static str,
}

pub(super) const VERSIONS: [Version; 2] = [
    Version { number: 2, plugin: "io.containerd.grpc.v1.cri", since: "1.3" },
    Version { number: 3, plugin: "io.containerd.cri.v1.runtime", since: "2.0" },
];

/// What a file that is not there is taken for: containerd 1.x and 2.x both read this.
const UNWRITTEN: &[u8] = b"version = 2\n";

/// containerd 1.x takes a runtime's table whole, so it has to say this too.
const RUNTIME_TYPE: &str = "io.containerd.runc.v2";

const TYPE_KEY: &str = "runtime_type";
const SPEC_KEY: &str = "base_runtime_spec";

/// What to write into config.toml by hand, for each version.
pub(super) fn lines(handler: &str, spec: &str) -> Result<String, InstallError> {
    let mut lines = String::new();
    for Version { number, since, .. } in VERSIONS {
        let head = format!("version = {number}\n");
        let mut config = ConfigToml::parse(Path::new("config.toml"), head.as_bytes())?;
        config.register(handler, spec, Foreign::Refuse)?;
        let text = config.document.to_string();
        let table = text.strip_prefix(&head).unwrap_or(&text).trim_start();
        lines += &format!("\n# version {number} (containerd {since} or later)\n{table}");
    }
    Ok(lines)
}

/// A config.toml that is being edited.
pub(super) struct ConfigToml {
    path: PathBuf,
    document: DocumentMut,
    version: Version,
}

impl ConfigToml {
    /// The file, or the beginning of one if there is none.
    pub(super) fn read(root: &Root, path: &Path) -> Result<ConfigToml, InstallError> {
        match root.read(path)? {
            Some(content) => ConfigToml::parse(path, &content),
            None => ConfigToml::parse(path, UNWRITTEN),
        }
    }

    fn parse(path: &Path, content: &[u8]) -> Result<ConfigToml, InstallError> {
        let document = parse_toml(path, content)?;
        let version = document.get("version").map_or(Some(1), Item::as_integer).unwrap_or(0);
        let known = VERSIONS.into_iter().find(|known| known.number == version);
        let path = path.to_owned();
        match known {
            Some(version) => Ok(ConfigToml { path, document, version }),
            None => Err(InstallError::ConfigVersion { path, version }),
        }
    }

    /// A warning that other files may say otherwise: containerd puts them over this one, and 1.x
    /// a plugin's section as a whole.
    pub(super) fn imports(&self) -> Option<String> {
        let imports = self.document.get("imports").and_then(Item::as_array)?;
        let files: Vec<&str> = imports.iter().filter_map(toml_edit::Value::as_str).collect();
        let note = "which may undo this; `containerd config dump` tells";
        (!files.is_empty()).then(|| format!("it imports {}, {note}", files.join(", ")))
    }

    pub(super) fn text(&self) -> Vec<u8> {
        self.document.to_string().into_bytes()
    }

    /// Whether a runtime has this base spec.
    pub(super) fn names(&self, spec: &str) -> bool {
        specs(&self.document).any(|named| named == spec)
    }

    /// Names the base spec for the runtime.
    pub(super) fn register(
        &mut self,
        handler: &str,
        spec: &str,
        foreign: Foreign,
    ) -> Result<(), InstallError> {
        let keys = ["plugins", self.version.plugin, "containerd", "runtimes", handler];
        let path = self.path.clone();
        let runtime = table(self.document.as_table_mut(), &keys)
            .map_err(|key| InstallError::NotATable { path: path.clone(), key })?;
        let named = runtime.get(SPEC_KEY).and_then(Item::as_str).unwrap_or_default().to_owned();
        if !named.is_empty() && named != spec && foreign == Foreign::Refuse {
            let handler = handler.to_owned();
            return Err(InstallError::OtherSpec { path, handler, spec: named });
        }
        if !runtime.contains_key(TYPE_KEY) {
            runtime.insert(TYPE_KEY, value(RUNTIME_TYPE));
        }
        if named != spec {
            runtime.insert(SPEC_KEY, value(spec));
        }
        Ok(())
    }
}

/// The table at these keys, made if need be, or the dotted key of what is no table.
fn table<'t>(
    mut table: &'t mut dyn TableLike,
    keys: &[&str],
) -> Result<&'t mut dyn TableLike, String> {
    for (depth, key) in keys.iter().enumerate() {
        let mut fresh = Table::new();
        // A table that only holds others needs no header of its own.
        fresh.set_implicit(true);
        table = table
            .entry(key)
            .or_insert(Item::Table(fresh))
            .as_table_like_mut()
            .ok_or_else(|| keys[..=depth].join("."))?;
    }
    Ok(table)
}

/// The base specs that the runtimes name.
pub(super) fn specs(document: &DocumentMut) -> impl Iterator<Item = &str> {
    let runtimes = VERSIONS.into_iter().filter_map(|version| {
        let plugin = document.get("plugins")?.get(version.plugin)?;
        plugin.get("containerd")?.get("runtimes")?.as_table_like()
    });
    let runtimes = runtimes.flat_map(TableLike::iter);
    runtimes.filter_map(|(_, runtime)| runtime.get(SPEC_KEY)?.as_str())
}

/// How the base spec is taken out of config.toml.
pub(super) struct Removed {
    pub(super) changes: Vec<Change>,
    pub(super) notes: Vec<String>,
}

/// Takes the base spec out; none if it is not named. If nothing else was edited since, the file
/// is as it was before.
pub(super) fn remove(
    root: &Root,
    path: &Path,
    backup: &Path,
    spec: &str,
) -> Result<Option<Removed>, InstallError> {
    let Some(mut document) = read_toml(root, path)? else { return Ok(None) };
    if !specs(&document).any(|named| named == spec) {
        return Ok(None);
    }
    let handlers = unregister(&mut document, spec);
    let kept = root.read(backup)?;
    let before = kept.clone().unwrap_or_else(|| UNWRITTEN.to_vec());
    let changes = if leads_to(root, path, &before, &handlers, spec) {
        [put_back(root, path, kept)?, Change::remove(root, backup, |_| true)?]
    } else {
        let note = format!("{SPEC_KEY} of {} is unset now", handlers.join(", "));
        let text = document.to_string().into_bytes();
        return Ok(Some(Removed { changes: vec![write(root, path, text)?], notes: vec![note] }));
    };
    let changes = changes.into_iter().flatten().collect();
    Ok(Some(Removed { changes, notes: Vec::new() }))
}

/// The file as it was before: with this content, or not there.
fn put_back(
    root: &Root,
    path: &Path,
    kept: Option<Vec<u8>>,
) -> Result<Option<Change>, InstallError> {
    match kept {
        Some(kept) => write(root, path, kept).map(Some),
        None => Change::remove(root, path, |_| true),
    }
}

fn write(root: &Root, path: &Path, content: Vec<u8>) -> Result<Change, InstallError> {
    Change::write(root, path, content, 0o644, |_| true, Foreign::Overwrite)
}

/// Takes the base spec from every runtime, and returns their names.
fn unregister(document: &mut DocumentMut, spec: &str) -> Vec<String> {
    let mut handlers = Vec::new();
    for version in VERSIONS {
        let keys = ["plugins", version.plugin, "containerd", "runtimes"];
        let mut item = Some(document.as_item_mut());
        for key in keys {
            item = item.and_then(Item::as_table_like_mut).and_then(|table| table.get_mut(key));
        }
        let Some(runtimes) = item.and_then(Item::as_table_like_mut) else { continue };
        for (handler, runtime) in runtimes.iter_mut() {
            let Some(runtime) = runtime.as_table_like_mut() else { continue };
            if runtime.get(SPEC_KEY).and_then(Item::as_str) == Some(spec) {
                runtime.remove(SPEC_KEY);
                handlers.push(handler.get().to_owned());
            }
        }
    }
    handlers
}

/// Whether registering in the kept copy gives the file as it is.
fn leads_to(root: &Root, path: &Path, kept: &[u8], handlers: &[String], spec: &str) -> bool {
    let Ok(mut config) = ConfigToml::parse(path, kept) else { return false };
    let registered =
        handlers.iter().try_for_each(|handler| config.register(handler, spec, Foreign::Overwrite));
    let now = root.read(path).ok().flatten();
    registered.is_ok() && now == Some(config.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE_SPEC: &str = "/etc/containerd/devgate-base.json";

    fn registered(config: &str) -> Result<String, String> {
        let path = Path::new("/etc/containerd/config.toml");
        let config = ConfigToml::parse(path, config.as_bytes()).and_then(|mut config| {
            config.register("runc", BASE_SPEC, Foreign::Refuse)?;
            Ok(config.text())
        });
        config.map(|text| String::from_utf8(text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn all_else_stays_as_it_is_written() {
        let before = "# ours\nversion = 2 # two\n\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  \
                      sandbox_image = 'a'   # odd  spaces\n\
                      [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n  \
                      runtime_type = \"io.containerd.runc.v2\"\n\
                      [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n  \
                      SystemdCgroup = true\n";
        let after = registered(before).unwrap();
        let line = format!("base_runtime_spec = \"{BASE_SPEC}\"\n");
        assert_eq!(after.lines().count(), before.lines().count() + 1);
        assert_eq!(after.replace(&line, ""), before);
        assert_eq!(registered(&after).unwrap(), after);
    }

    #[test]
    fn a_table_is_made_where_there_is_none() {
        let lines = |plugin: &str| {
            format!(
                "\n[plugins.\"{plugin}\".containerd.runtimes.runc]\n\
                 runtime_type = \"io.containerd.runc.v2\"\nbase_runtime_spec = \"{BASE_SPEC}\"\n"
            )
        };
        for (version, plugin) in
            [("version = 2\n", VERSIONS[0].plugin), ("version = 3\n", VERSIONS[1].plugin)]
        {
            assert_eq!(registered(version).unwrap(), version.to_owned() + &lines(plugin));
        }
    }

    #[test]
    fn tables_may_be_written_inline() {
        let inline = "version = 3\nplugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes = \
                      { runc = { runtime_type = \"x\" } }\n";
        let after = registered(inline).unwrap();
        assert!(after.contains(&format!("base_runtime_spec = \"{BASE_SPEC}\"")), "{after}");
        assert!(after.parse::<DocumentMut>().is_ok());
    }

    #[test]
    fn what_can_t_be_edited_is_told() {
        for (config, problem) in [
            ("", "version 1 is not supported"),
            ("version = 4\n", "version 4 is not supported"),
            ("version = 2\nplugins = 3\n", "plugins is not a table"),
            ("version = \n", "is not TOML: line 1: "),
            (
                "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc]\n\
                 base_runtime_spec = \"/x.json\"\n",
                "runtime runc has the base_runtime_spec /x.json already",
            ),
        ] {
            let error = registered(config).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
