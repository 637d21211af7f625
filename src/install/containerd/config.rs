//! config.toml, edited so that all else in it stays as it is written.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use super::super::document::{item, parse_toml};
use super::super::plan::Foreign;
use super::super::{InstallError, Root};
use super::RUNC;
use super::style::Style;

/// A version of config.toml, with the plugin that has the runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    number: i64,
    plugin: &'static str,
    since: &'static str,
}

const VERSIONS: [Version; 2] = [
    Version { number: 2, plugin: "io.containerd.grpc.v1.cri", since: "1.3" },
    Version { number: 3, plugin: "io.containerd.cri.v1.runtime", since: "2.0" },
];

/// What a file that is not there is taken for: containerd 1.x and 2.x both read this.
pub(super) const UNWRITTEN: &[u8] = b"version = 2\n";

/// containerd 1.x takes a runtime's table whole, so it has to say this too.
const RUNTIME_TYPE: &str = "io.containerd.runc.v2";

const TYPE_KEY: &str = "runtime_type";
pub(super) const SPEC_KEY: &str = "base_runtime_spec";

/// What to write into config.toml by hand, for each version.
pub(super) fn lines(handler: &str, spec: &str) -> String {
    let mut lines = String::new();
    for version in VERSIONS {
        let mut document = DocumentMut::new();
        // Nothing is in the way in an empty document.
        if let Ok(runtime) = table(document.as_table_mut(), &version.keys(handler)) {
            if handler == RUNC {
                runtime.insert(TYPE_KEY, value(RUNTIME_TYPE));
            }
            runtime.insert(SPEC_KEY, value(spec));
        }
        let Version { number, since, .. } = version;
        lines += &format!("\n# version {number} (containerd {since} or later)\n{document}");
    }
    lines
}

impl Version {
    /// The keys of the runtimes' table.
    pub(super) fn runtimes(&self) -> [&'static str; 4] {
        ["plugins", self.plugin, "containerd", "runtimes"]
    }

    /// The keys of a runtime's table.
    fn keys<'k>(&self, handler: &'k str) -> [&'k str; 5] {
        let [plugins, plugin, containerd, runtimes] = self.runtimes();
        [plugins, plugin, containerd, runtimes, handler]
    }
}

/// A config.toml that is being edited.
pub(super) struct ConfigToml {
    path: PathBuf,
    pub(super) document: DocumentMut,
    pub(super) version: Version,
    style: Style,
    /// The file as it was read.
    content: Vec<u8>,
    /// The same as the library writes it.
    unedited: String,
}

impl ConfigToml {
    /// The file, as [`ConfigToml::of`] has it.
    pub(super) fn read(root: &Root, path: &Path) -> Result<Option<ConfigToml>, InstallError> {
        ConfigToml::of(path, root.read(path)?.as_deref())
    }

    /// What can be said of a file that was read: none if it is not there, or of a version that
    /// can name no base spec of devgate's.
    pub(super) fn of(
        path: &Path,
        content: Option<&[u8]>,
    ) -> Result<Option<ConfigToml>, InstallError> {
        match content.map(|content| ConfigToml::parse(path, content)) {
            None | Some(Err(InstallError::ConfigVersion { .. })) => Ok(None),
            Some(parsed) => parsed.map(Some),
        }
    }

    pub(super) fn parse(path: &Path, content: &[u8]) -> Result<ConfigToml, InstallError> {
        let document = parse_toml(path, content)?;
        let named = document.get("version");
        let known = match named.map(Item::as_integer) {
            Some(Some(named)) => VERSIONS.into_iter().find(|known| known.number == named),
            _ => None,
        };
        let (path, style) = (path.to_owned(), Style::of(content));
        match known {
            Some(version) => {
                let (content, unedited) = (content.to_owned(), document.to_string());
                Ok(ConfigToml { path, document, version, style, content, unedited })
            }
            None => {
                let version = named.map_or("1 (none is named)".to_owned(), Item::to_string);
                Err(InstallError::ConfigVersion { path, version: version.trim().to_owned() })
            }
        }
    }

    /// The file with what was edited.
    ///
    /// # Errors
    /// [`InstallError::Reorders`]
    pub(super) fn text(&self) -> Result<Vec<u8>, InstallError> {
        let text = self.document.to_string();
        if text == self.unedited {
            return Ok(self.content.clone());
        }
        let unedited = self.style.apply(&self.unedited);
        match without_returns(&unedited).eq(without_returns(&self.content)) {
            true => Ok(self.style.apply(&text)),
            false => Err(InstallError::Reorders { path: self.path.clone() }),
        }
    }

    /// What may keep a base spec from being used.
    pub(super) fn warnings(&self) -> Vec<String> {
        let texts = |key| self.document.get(key).and_then(Item::as_array).into_iter().flatten();
        let texts = |key| texts(key).filter_map(toml_edit::Value::as_str).collect::<Vec<&str>>();
        let mut warnings = Vec::new();
        let is_cri =
            |name: &&str| *name == "cri" || VERSIONS.iter().any(|known| known.plugin == *name);
        if texts("disabled_plugins").iter().any(is_cri) {
            warnings.push(
                "warning: disabled_plugins turns CRI off, whose containers get the hook".into(),
            );
        }
        // containerd puts them over this file, and 1.x a plugin's section as a whole.
        let imports = texts("imports").join(", ");
        if !imports.is_empty() {
            let tells = "`containerd config dump` tells";
            warnings.push(format!("warning: it imports {imports}, which may undo this; {tells}"));
        }
        warnings
    }

    /// Whether other files are put over this one.
    pub(super) fn has_imports(&self) -> bool {
        let imports = self.document.get("imports").and_then(Item::as_array);
        imports.is_some_and(|imports| !imports.is_empty())
    }

    /// The base specs that the runtimes name, each with its runtime.
    pub(super) fn specs(&self) -> impl Iterator<Item = (&str, &str)> {
        let runtimes = item(&self.document, &self.version.runtimes());
        let runtimes = runtimes.and_then(Item::as_table_like);
        let runtimes = runtimes.into_iter().flat_map(TableLike::iter);
        // An empty one is none: `containerd config default` writes them.
        runtimes
            .filter_map(|(handler, runtime)| Some((handler, runtime.get(SPEC_KEY)?.as_str()?)))
            .filter(|(_, spec)| !spec.is_empty())
    }

    /// The runtimes that have this base spec.
    pub(super) fn handlers_of(&self, spec: &str) -> Vec<String> {
        let named = self.specs().filter(|(_, named)| *named == spec);
        named.map(|(handler, _)| handler.to_owned()).collect()
    }

    /// Names the base spec for the runtime. Only runc's table is made if there is none: what
    /// another runtime is can't be told.
    pub(super) fn register(
        &mut self,
        handler: &str,
        spec: &str,
        foreign: Foreign,
    ) -> Result<(), InstallError> {
        let trailing = self.document.trailing().as_str().unwrap_or_default().to_owned();
        let path = self.path.clone();
        let keys = self.version.keys(handler);
        let is_new = item(&self.document, &keys).is_none();
        let runtime = table(self.document.as_table_mut(), &keys)
            .map_err(|key| InstallError::NotATable { path: path.clone(), key })?;
        if !runtime.contains_key(TYPE_KEY) {
            if handler != RUNC {
                return Err(InstallError::NoRuntime { path, handler: handler.to_owned() });
            }
            runtime.insert(TYPE_KEY, value(RUNTIME_TYPE));
        }
        match runtime.get(SPEC_KEY) {
            Some(named) if named.as_str() == Some(spec) => return Ok(()),
            Some(named) if named.as_str() != Some("") && foreign == Foreign::Refuse => {
                let (handler, spec) = (handler.to_owned(), named.to_string().trim().to_owned());
                return Err(InstallError::OtherSpec { path, handler, spec });
            }
            _ => runtime.insert(SPEC_KEY, value(spec)),
        };
        if is_new {
            self.put_last(handler, &trailing);
        }
        Ok(())
    }

    /// The new table is the last in the file, below the comments that are there: a key that
    /// somebody uncomments among them is not to be the new table's, nor that of another table.
    fn put_last(&mut self, handler: &str, trailing: &str) {
        let mut item = Some(self.document.as_item_mut());
        for key in self.version.keys(handler) {
            item = item.and_then(Item::as_table_mut).and_then(|table| table.get_mut(key));
        }
        let Some(table) = item.and_then(Item::as_table_mut) else { return };
        table.set_position(Some(isize::MAX));
        if !trailing.is_empty() {
            table.decor_mut().set_prefix(format!("{trailing}\n"));
            self.document.set_trailing("");
        }
    }
}

/// The bytes, whatever their line ends.
fn without_returns(content: &[u8]) -> impl Iterator<Item = &u8> {
    content.iter().filter(|byte| **byte != b'\r')
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

#[cfg(test)]
mod tests {
    use super::*;

    const BASE_SPEC: &str = "/etc/containerd/devgate-base.json";

    fn registered(config: &str) -> Result<String, String> {
        let path = Path::new("/etc/containerd/config.toml");
        let config = ConfigToml::parse(path, config.as_bytes()).and_then(|mut config| {
            config.register("runc", BASE_SPEC, Foreign::Refuse)?;
            config.text()
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

    /// Whatever tables come after the plugins', and whatever is commented out in the last one.
    #[test]
    fn a_table_that_is_made_is_the_last() {
        let before = "version = 2\n[plugins.x]\n[timeouts]\n# \"shim.cleanup\" = \"5s\"\n";
        let after = registered(before).unwrap();
        assert!(after.starts_with(before), "{after}");
    }

    /// It is there, so it stays in its place, with the comment above it.
    #[test]
    fn an_empty_table_is_not_made() {
        let table = "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc]\n";
        let before = format!("version = 3\n# ours\n{table}[timeouts]\n# end\n");
        let after = registered(&before).unwrap();
        let lines =
            after.lines().filter(|line| !line.contains(" = \"")).map(|line| format!("{line}\n"));
        assert_eq!(lines.collect::<String>(), before);
    }

    #[test]
    fn tables_may_be_written_inline() {
        let inline = "version = 3\nplugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes = \
                      { runc = { runtime_type = \"x\" } }\n";
        let after = registered(inline).unwrap();
        assert!(after.contains(&format!("base_runtime_spec = \"{BASE_SPEC}\"")), "{after}");
        assert!(after.parse::<DocumentMut>().is_ok());
    }

    /// The library would write `x.b` next to `x.a`.
    #[test]
    fn a_file_that_would_change_its_order_is_refused() {
        let before = "version = 2\nx.a = 1\ny = 2\nx.b = 3\n";
        let error = registered(before).unwrap_err();
        assert!(error.contains("can't be edited without a change of its order"), "{error}");
        let table = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n";
        let by_hand = format!(
            "{before}{table}runtime_type = \"io.containerd.runc.v2\"\n\
             base_runtime_spec = \"{BASE_SPEC}\"\n"
        );
        assert_eq!(registered(&by_hand).unwrap(), by_hand);
    }

    #[test]
    fn what_can_t_be_edited_is_told() {
        for (config, problem) in [
            ("", "version 1 (none is named) is not supported"),
            ("version = 4\n", "version 4 is not supported"),
            ("version = 2\nplugins = 3\n", "plugins is not a table"),
            ("version = \n", "is not TOML: line 1: "),
            (
                "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc]\n\
                 base_runtime_spec = \"/x.json\"\n",
                "runtime runc has the base_runtime_spec \"/x.json\" already",
            ),
        ] {
            let error = registered(config).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
