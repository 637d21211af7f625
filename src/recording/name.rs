//! Names of recordings, which come from outside and become file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::container::LONGEST_ID;
use crate::files::is_plain_name;
use crate::oci::shortened;

/// A recording's name: letters, digits and `._-`, the first a letter or a digit, as many as a
/// container's id may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RecordingName(String);

/// A text that is not a recording's name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a recording's name (expected letters, digits and ._-, {LONGEST_ID} at most, a \
     letter or a digit first)"
)]
pub struct NameError(String);

impl RecordingName {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RecordingName {
    type Error = NameError;

    fn try_from(name: String) -> Result<RecordingName, NameError> {
        match is_plain_name(&name) && name.len() <= LONGEST_ID {
            true => Ok(RecordingName(name)),
            false => Err(NameError(shortened(&name))),
        }
    }
}

impl FromStr for RecordingName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<RecordingName, NameError> {
        name.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_other_file_and_no_terminal() {
        for name in ["web", "web-2.1", "0", "A_b", &"x".repeat(LONGEST_ID)] {
            assert_eq!(name.parse::<RecordingName>().map(|name| name.0), Ok(name.to_owned()));
        }
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "-x",
            "_x",
            "a/b",
            "../a",
            "/etc/passwd",
            "a b",
            "a\nb",
            "a\u{1b}[2J",
            "a\0b",
            "ä",
            &"x".repeat(LONGEST_ID + 1),
        ] {
            assert!(name.parse::<RecordingName>().is_err(), "{name:?}");
        }
    }
}
