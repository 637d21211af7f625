//! TOML and JSON files.

use std::path::Path;

use serde_json::Value;
use toml_edit::{DocumentMut, Item};

use super::{InstallError, Root};

/// A TOML file of the machine; none if it is not there.
pub(super) fn read_toml(root: &Root, path: &Path) -> Result<Option<DocumentMut>, InstallError> {
    let Some(bytes) = root.read(path)? else { return Ok(None) };
    parse_toml(path, &bytes).map(Some)
}

/// A TOML file's content.
pub(super) fn parse_toml(path: &Path, bytes: &[u8]) -> Result<DocumentMut, InstallError> {
    let not_toml = |problem| InstallError::Toml { path: path.to_owned(), problem };
    let text = std::str::from_utf8(bytes).map_err(|error| not_toml(error.to_string()))?;
    text.parse().map_err(|error: toml_edit::TomlError| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        not_toml(format!("line {line}: {}", error.message()))
    })
}

/// What is at these keys, each within what the one before it names.
pub(super) fn item<'d>(document: &'d DocumentMut, keys: &[&str]) -> Option<&'d Item> {
    keys.iter().try_fold(document.as_item(), |item, key| item.get(key))
}

/// JSON as a file has it.
pub(super) fn json(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
