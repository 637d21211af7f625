//! Taking a base spec out of config.toml again.

use std::path::Path;

use toml_edit::{DocumentMut, Item};

use super::super::document::read_toml;
use super::super::plan::{Change, Foreign};
use super::super::{InstallError, Root};
use super::config::{ConfigToml, SPEC_KEY, UNWRITTEN, VERSIONS, specs};
use super::style::Style;

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
    let style = Style::of(&root.read(path)?.unwrap_or_default());
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
        let text = style.apply(&document.to_string());
        let changes = vec![Change::edit(root, path, text, 0o644)?];
        return Ok(Some(Removed { changes, notes: vec![note] }));
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
        Some(kept) => Change::edit(root, path, kept, 0o644).map(Some),
        None => Change::remove(root, path, |_| true),
    }
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
