//! The form of a file: JSON with its version.

use std::fmt::{Debug, Display};
use std::path::Path;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::StoreError;

/// What a store holds. Unknown keys must be an error of its deserialization: a newer devgate that
/// adds one counts the version up, so that an older one does not lose it.
pub trait Stored: Serialize + DeserializeOwned {
    /// The version of its form, which its member `version` has.
    const VERSION: u32;

    /// What it is about, in a word.
    const WHAT: &'static str;

    /// What names that. As text it is a file's name.
    type Id: Clone + Debug + Display + Eq + FromStr;

    /// What it is about.
    fn id(&self) -> &Self::Id;
}

/// The member `version` of a file, always `N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version<const N: u32>;

impl<const N: u32> Serialize for Version<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(N)
    }
}

impl<'de, const N: u32> Deserialize<'de> for Version<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            found if found == N => Ok(Version),
            found => Err(de::Error::custom(format_args!("{found} (expected {N})"))),
        }
    }
}

/// Of every version of a file.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// Reads a file's bytes.
pub(super) fn parse<T: Stored>(bytes: &[u8], path: &Path) -> Result<T, StoreError> {
    let damaged = |problem| StoreError::Damaged { path: path.to_owned(), problem };
    match serde_json::from_slice::<Versioned>(bytes) {
        Err(error) => return Err(damaged(error.to_string())),
        Ok(Versioned { version }) if version > u64::from(T::VERSION) => {
            return Err(StoreError::Newer { path: path.to_owned(), version, known: T::VERSION });
        }
        Ok(_) => {}
    }
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut parser);
    value.map_err(|error| damaged(error.to_string()))
}
