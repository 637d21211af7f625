//! serde_json with the path of what is wrong.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::document::{Document, OciError};

/// The value that `seed` makes of the first JSON value in `bytes`, and how many bytes that
/// was. The path of a mistake is only looked for once there is one.
pub(super) fn parse_first<'de, S>(
    document: &Document,
    bytes: &'de [u8],
    seed: S,
) -> Result<(S::Value, usize), OciError>
where
    S: DeserializeSeed<'de> + Copy,
{
    let document = || document.clone();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(OciError::Empty { document: document() });
    }
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    if let Ok(value) = seed.deserialize(&mut parser) {
        return Ok((value, parser.into_iter::<IgnoredAny>().byte_offset()));
    }
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut parser, &mut track);
    match seed.deserialize(tracked) {
        Ok(value) => Ok((value, parser.into_iter::<IgnoredAny>().byte_offset())),
        Err(error) => Err(locate(document(), &error, track.path().to_string())),
    }
}

/// The same for bytes that hold nothing else.
pub(super) fn parse<'de, S>(
    document: &Document,
    bytes: &'de [u8],
    seed: S,
) -> Result<S::Value, OciError>
where
    S: DeserializeSeed<'de> + Copy,
{
    let (value, length) = parse_first(document, bytes, seed)?;
    let mut rest = serde_json::Deserializer::from_slice(bytes.get(length..).unwrap_or_default());
    match rest.end() {
        Ok(()) => Ok(value),
        Err(_) => Err(OciError::Value {
            document: document.clone(),
            path: ".".to_owned(),
            problem: format!("more follows the first JSON value, which ends at byte {length}"),
        }),
    }
}

fn locate(document: Document, error: &serde_json::Error, path: String) -> OciError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let place = format!(" at line {line} column {column}");
    let problem = shortened(text.strip_suffix(&place).unwrap_or(&text));
    if error.is_data() {
        OciError::Value { document, path: shortened(&path), problem }
    } else {
        OciError::Syntax { document, line, column, problem }
    }
}

/// Most bytes that a message quotes of a document: a value in it may be the whole of it.
const MOST_QUOTED: usize = 400;

/// The text, without its middle where it is too long for a message. What was expected of a value
/// is at the end.
pub fn shortened(text: &str) -> String {
    if text.len() <= MOST_QUOTED {
        return text.to_owned();
    }
    let half = MOST_QUOTED / 2;
    let boundary = |at: &usize| text.is_char_boundary(*at);
    let first = (0..=half).rev().find(boundary).unwrap_or(0);
    let last = (text.len() - half..text.len()).find(boundary).unwrap_or(text.len());
    format!("{}[{} bytes]{}", &text[..first], last - first, &text[last..])
}

/// Puts a member's value into its slot. A second value for the same key is an error at the
/// key's path: parsers differ on which of the two counts.
pub(super) fn member<'de, A, S>(
    map: &mut A,
    slot: &mut Option<S::Value>,
    seed: S,
) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
    S: DeserializeSeed<'de>,
{
    if slot.is_some() {
        return map.next_value_seed(Duplicate);
    }
    *slot = Some(map.next_value_seed(seed)?);
    Ok(())
}

struct Duplicate;

impl<'de> DeserializeSeed<'de> for Duplicate {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(D::Error::custom("duplicate key (expected once)"))
    }
}

/// The one of `names` that `key` is for a reader that does not mind the case of letters, as Go's
/// encoding/json: there, U+017F (long s) and U+212A (Kelvin) are the letters s and k as well.
pub(super) fn other_case(key: &str, names: &[&'static str]) -> Option<&'static str> {
    let folded = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    names.iter().copied().find(|name| key.chars().map(folded).eq(name.chars()))
}

/// A key that is another one but for the case of letters: an error at its own path, since some
/// runtimes take it for that one and others pass over it.
pub(super) struct OtherCase(pub &'static str);

impl<'de> DeserializeSeed<'de> for OtherCase {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        let OtherCase(name) = self;
        Err(D::Error::custom(format_args!(
            "the key must be written {name:?}: runc takes this spelling for it and crun ignores it"
        )))
    }
}

/// The value at a path of keys below here; `None` if one of them is absent or null. Other keys
/// are passed over.
pub(super) struct At<'k, S> {
    pub keys: &'k [&'static str],
    pub seed: S,
}

impl<S: Copy> Clone for At<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Copy> Copy for At<'_, S> {}

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for At<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for At<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.keys {
            [] => self.seed.deserialize(deserializer).map(Some),
            _ => deserializer.deserialize_map(self),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((wanted, keys)) = self.keys.split_first() else {
            return Err(A::Error::custom("an object without keys"));
        };
        let mut found: Option<Option<S::Value>> = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                member(&mut map, &mut found, At { keys, seed: self.seed })?;
            } else if let Some(name) = other_case(&key, &[*wanted]) {
                map.next_value_seed(OtherCase(name))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found.flatten())
    }
}

/// The same for a whole document, which can't be null.
pub(super) struct Root<'k, S>(pub At<'k, S>);

impl<S: Copy> Clone for Root<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Copy> Copy for Root<'_, S> {}

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for Root<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(NotNull(self.0))
    }
}

/// [`At`] without its reading of null.
struct NotNull<'k, S>(At<'k, S>);

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for NotNull<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.visit_map(map)
    }
}

/// A type's own deserialization as a seed.
pub(super) struct Plain<T>(PhantomData<T>);

impl<T> Plain<T> {
    pub(super) const fn new() -> Plain<T> {
        Plain(PhantomData)
    }
}

impl<T> Clone for Plain<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Plain<T> {}

impl<'de, T: serde::Deserialize<'de>> DeserializeSeed<'de> for Plain<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}
