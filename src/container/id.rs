//! Container ids, which come from outside and become file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most bytes of an id: a file's name has 255 (NAME_MAX), and `.json` follows the id.
pub const LONGEST_ID: usize = 250;

/// A container's id, safe as a file's name: letters, digits and `._+-`, the first of which is not
/// a dot, as runc and crun have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ContainerId(String);

/// Why a text is not a container's id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// There is nothing.
    #[error("the container's id is empty")]
    Empty,
    /// It is longer than a file's name may be.
    #[error("the container's id has {length} bytes (at most {LONGEST_ID})")]
    TooLong {
        /// Its bytes.
        length: usize,
    },
    /// It has the name of a hidden file, or of a directory itself.
    #[error("container id {0:?} starts with a dot")]
    Dot(String),
    /// A character that is not a file name's.
    #[error("container id {id:?} holds {found:?} (expected letters, digits and \"._+-\")")]
    Character {
        /// The whole id.
        id: String,
        /// The character.
        found: char,
    },
}

impl ContainerId {
    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-".contains(c)
}

impl TryFrom<String> for ContainerId {
    type Error = IdError;

    fn try_from(id: String) -> Result<ContainerId, IdError> {
        if id.is_empty() {
            return Err(IdError::Empty);
        }
        if id.len() > LONGEST_ID {
            return Err(IdError::TooLong { length: id.len() });
        }
        if let Some(found) = id.chars().find(|c| !is_allowed(*c)) {
            return Err(IdError::Character { id, found });
        }
        match id.starts_with('.') {
            true => Err(IdError::Dot(id)),
            false => Ok(ContainerId(id)),
        }
    }
}

impl FromStr for ContainerId {
    type Err = IdError;

    fn from_str(id: &str) -> Result<ContainerId, IdError> {
        id.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_engines_are_taken() {
        let hex = "630b76a2f65f6c25b0cbad964daf7eba824e61e81c56104f970cdcd2b6b2ca74";
        for id in [hex, "n1", "my_container", "a.b+c-d", "-x", &"x".repeat(LONGEST_ID)] {
            assert_eq!(id.parse::<ContainerId>().map(|id| id.to_string()), Ok(id.to_owned()));
        }
    }

    #[test]
    fn what_is_not_a_file_name_is_refused() {
        for (id, part) in [
            ("", "is empty"),
            (".", "starts with a dot"),
            ("..", "starts with a dot"),
            (".hidden", "starts with a dot"),
            ("../../etc/passwd", "holds '/'"),
            ("a/b", "holds '/'"),
            ("a b", "holds ' '"),
            ("a\0b", "holds '\\0'"),
            ("a\nb", "holds '\\n'"),
            ("ä", "holds 'ä'"),
            (&"x".repeat(LONGEST_ID + 1), "has 251 bytes (at most 250)"),
        ] {
            let error = id.parse::<ContainerId>().unwrap_err().to_string();
            assert!(error.contains(part), "{id:?}: {error}");
        }
    }
}
