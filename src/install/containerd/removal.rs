//! Taking a base spec out of config.toml again.

use std::path::Path;

use toml_edit::{DocumentMut, Item};

use super::super::plan::{Change, Foreign};
use super::super::{InstallError, Root};
use super::config::{ConfigToml, SPEC_KEY, UNWRITTEN};

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
    let now = root.read(path)?;
    let Some(mut config) = ConfigToml::of(path, now.as_deref())? else { return Ok(None) };
    let handlers: Vec<String> = config.handlers_of(spec);
    if handlers.is_empty() {
        return Ok(None);
    }
    let kept = root.read(backup)?;
    let before = kept.as_deref().unwrap_or(UNWRITTEN);
    if leads_to(path, before, &handlers, spec) == now {
        let restored = Change::edit(root, path, now, kept, 0o644)?;
        let copy = Change::remove(root, backup, |_| true)?;
        let changes = [Some(restored), copy].into_iter().flatten().collect();
        return Ok(Some(Removed { changes, notes: Vec::new() }));
    }
    unregister(&mut config, spec);
    let edited = Change::edit(root, path, now, Some(config.text()?), 0o644)?;
    let note = format!("{SPEC_KEY} of {} is unset now", handlers.join(", "));
    Ok(Some(Removed { changes: vec![edited], notes: vec![note] }))
}

/// Takes the base spec from every runtime.
fn unregister(config: &mut ConfigToml, spec: &str) {
    let keys = config.version.runtimes();
    let Some(runtimes) = table_like_mut(&mut config.document, &keys) else { return };
    let Some(runtimes) = runtimes.as_table_like_mut() else { return };
    for (_, runtime) in runtimes.iter_mut() {
        let Some(runtime) = runtime.as_table_like_mut() else { continue };
        if runtime.get(SPEC_KEY).and_then(Item::as_str) == Some(spec) {
            runtime.remove(SPEC_KEY);
        }
    }
}

fn table_like_mut<'d>(document: &'d mut DocumentMut, keys: &[&str]) -> Option<&'d mut Item> {
    let mut item = document.as_item_mut();
    for key in keys {
        item = item.as_table_like_mut()?.get_mut(key)?;
    }
    Some(item)
}

/// What registering in the kept copy gives; none if it can't be done there.
fn leads_to(path: &Path, kept: &[u8], handlers: &[String], spec: &str) -> Option<Vec<u8>> {
    let mut config = ConfigToml::parse(path, kept).ok()?;
    for handler in handlers {
        config.register(handler, spec, Foreign::Overwrite).ok()?;
    }
    config.text().ok()
}
