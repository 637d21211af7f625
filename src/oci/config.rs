//! Of config.json, `linux.resources.devices` (runtime-spec, "Allowed Device list").

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::document::{Document, OciError, read_bounded, read_regular_file};
use super::json::{At, OtherCase, Plain, Root, member, other_case, parse, shortened};
use crate::device::{Access, DeviceType};
use crate::policy::{Few, Number, Rule, TypeMatch, Verdict};

/// The rules of a config.json.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `linux.resources.devices`, in its order; empty where that is absent.
    pub rules: Vec<Rule>,
    /// Keys of rules that the specification does not have, like
    /// `linux.resources.devices[2].comment`: passed over, as it demands, and worth a warning.
    pub unknown: Few<String>,
}

const DEVICES: [&str; 3] = ["linux", "resources", "devices"];

/// A config.json on its own.
///
/// # Errors
/// Names the document, the JSON path and what was expected.
pub fn read_config(reader: impl Read, document: Document) -> Result<Config, OciError> {
    let bytes = read_bounded(reader, &document)?;
    parse_config(&bytes, document)
}

/// The root directory of the container of a bundle: `root.path` of its config.json, which may be
/// relative to the bundle (runtime-spec, "Root").
///
/// # Errors
/// Names the document, the JSON path and what was expected.
pub fn read_root(bundle: &Path) -> Result<PathBuf, OciError> {
    let (bytes, document) = read_regular_file(&bundle.join("config.json"))?;
    let seed = Root(At { keys: &["root", "path"], seed: Plain::<String>::new() });
    match parse(&document, &bytes, seed)? {
        Some(path) => Ok(bundle.join(path)),
        None => Err(OciError::Value {
            document,
            path: "root.path".to_owned(),
            problem: "missing (expected the root directory's path)".to_owned(),
        }),
    }
}

/// An array of rules on its own, as `linux.resources.devices` has it.
///
/// # Errors
/// Names the document, the JSON path and what was expected.
pub fn read_rules(reader: impl Read, document: Document) -> Result<Config, OciError> {
    let bytes = read_bounded(reader, &document)?;
    let entries = parse(&document, &bytes, EntriesSeed)?;
    of_entries(entries, "", document)
}

pub(super) fn parse_config(bytes: &[u8], document: Document) -> Result<Config, OciError> {
    let entries = parse(&document, bytes, Root(At { keys: &DEVICES, seed: EntriesSeed }))?;
    of_entries(entries.unwrap_or_default(), &DEVICES.join("."), document)
}

/// The rules of an array that is at this JSON path.
fn of_entries(entries: Entries, at: &str, document: Document) -> Result<Config, OciError> {
    let Entries { entries, unknown } = entries;
    let path = |index: usize, field: &str| format!("{at}[{index}].{field}");
    let mut config = Config {
        rules: Vec::with_capacity(entries.len()),
        unknown: unknown.map(|(index, key)| path(index, &shortened(&key))),
    };
    for (index, entry) in entries.into_iter().enumerate() {
        let rule = entry.rule().map_err(|(field, problem)| OciError::Value {
            document: document.clone(),
            path: path(index, field),
            problem,
        })?;
        config.rules.push(rule);
    }
    Ok(config)
}

/// One entry as it is written; what is absent may get a meaning.
#[derive(Default)]
pub(super) struct Entry {
    allow: Option<bool>,
    device_type: Option<TypeMatch>,
    major: Option<Number>,
    minor: Option<Number>,
    access: Option<Access>,
}

impl Entry {
    pub(super) fn rule(&self) -> Result<Rule, (&'static str, String)> {
        let verdict = match self.allow {
            Some(true) => Verdict::Allow,
            Some(false) => Verdict::Deny,
            None => return Err(("allow", "missing (expected true or false)".to_owned())),
        };
        Ok(Rule::new(
            verdict,
            self.device_type.unwrap_or(TypeMatch::Any),
            self.major.unwrap_or(Number::Any),
            self.minor.unwrap_or(Number::Any),
            self.access.unwrap_or(Access::NONE),
        ))
    }
}

/// The array of entries, and the keys that they should not have, with the entry's index.
#[derive(Default)]
struct Entries {
    entries: Vec<Entry>,
    unknown: Few<(usize, String)>,
}

#[derive(Clone, Copy)]
struct EntriesSeed;

impl<'de> DeserializeSeed<'de> for EntriesSeed {
    type Value = Entries;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of device rules")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let Entries { mut entries, mut unknown } = Entries::default();
        loop {
            let seed = EntrySeed { index: entries.len(), unknown: &mut unknown };
            match seq.next_element_seed(seed)? {
                Some(entry) => entries.push(entry),
                None => return Ok(Entries { entries, unknown }),
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Allow,
    Type,
    Major,
    Minor,
    Access,
    /// What `devgate record show` says about a rule. Nobody else's program reads it.
    Comment,
    Unknown(String),
}

/// A rule's keys.
const KEYS: [&str; 5] = ["allow", "type", "major", "minor", "access"];

/// An entry and its place in the list.
pub(super) struct EntrySeed<'u> {
    pub index: usize,
    /// Takes the keys that the entry should not have.
    pub unknown: &'u mut Few<(usize, String)>,
}

impl<'de> DeserializeSeed<'de> for EntrySeed<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EntrySeed<'_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device rule (an object)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Allow => member(&mut map, &mut entry.allow, Plain::new())?,
                Key::Type => member(&mut map, &mut entry.device_type, TypeSeed)?,
                Key::Major => member(&mut map, &mut entry.major, NumberSeed)?,
                Key::Minor => member(&mut map, &mut entry.minor, NumberSeed)?,
                Key::Access => member(&mut map, &mut entry.access, AccessSeed)?,
                Key::Comment => drop(map.next_value::<IgnoredAny>()?),
                Key::Unknown(key) => match other_case(&key, &KEYS) {
                    Some(name) => map.next_value_seed(OtherCase(name))?,
                    None => {
                        map.next_value::<IgnoredAny>()?;
                        self.unknown.push((self.index, key));
                    }
                },
            }
        }
        Ok(entry)
    }
}

/// Implements a seed whose visitor it is itself.
macro_rules! seed {
    ($name:ident, $value:ty, $method:ident) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl<'de> DeserializeSeed<'de> for $name {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<$value, D::Error> {
                from.$method(self)
            }
        }
    };
}

seed!(NumberSeed, Number, deserialize_i64);
seed!(TypeSeed, TypeMatch, deserialize_str);
seed!(AccessSeed, Access, deserialize_str);

impl Visitor<'_> for NumberSeed {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer (0..=4294967295, or -1)")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
        match u32::try_from(number) {
            Ok(number) => Ok(Number::Exactly(number)),
            Err(_) if number == -1 => Ok(Number::Any),
            Err(_) => Err(out_of_range(number)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        u32::try_from(number).map(Number::Exactly).map_err(|_| out_of_range(number))
    }
}

fn out_of_range<E: Error>(number: impl fmt::Display) -> E {
    E::custom(format_args!("{number} is out of range (0..=4294967295, or -1)"))
}

impl Visitor<'_> for TypeSeed {
    type Value = TypeMatch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device type (\"a\", \"b\" or \"c\")")
    }

    fn visit_str<E: Error>(self, letter: &str) -> Result<TypeMatch, E> {
        match letter {
            "a" => Ok(TypeMatch::Any),
            "b" => Ok(TypeMatch::Only(DeviceType::Block)),
            "c" => Ok(TypeMatch::Only(DeviceType::Char)),
            other => Err(E::custom(format_args!(
                "{other:?} is not a type of a device rule (expected \"a\", \"b\" or \"c\")"
            ))),
        }
    }
}

impl Visitor<'_> for AccessSeed {
    type Value = Access;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("access letters (a string of \"rwm\")")
    }

    fn visit_str<E: Error>(self, letters: &str) -> Result<Access, E> {
        letters.parse().map_err(E::custom)
    }
}
