//! Requests as a recording keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::Time;
use crate::device::{DeviceType, Request, RequestError};

/// Most commands that are kept of requests that are alike.
const MOST_COMMANDS: usize = 8;

/// What requests were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// They were allowed.
    #[serde(rename = "allow")]
    Allowed,
    /// They were denied.
    #[serde(rename = "deny")]
    Denied,
    /// Nobody knows: the kernel does not tell, and the container's policy was not to be had.
    #[serde(rename = "unknown")]
    Unknown,
}

/// Requests that are alike, and were answered alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Asked {
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub answer: Answer,
    /// How often.
    pub count: u64,
    /// When first.
    pub first: Time,
    /// When last.
    pub last: Time,
    /// The device's name on the host at that time.
    pub device: Option<String>,
    /// Names of processes that asked: the last one each time that was looked, 8 at most. They are
    /// [`printable`].
    pub commands: Vec<String>,
}

/// As JSON: with the names that `watch` and `denials` have.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "type")]
    device_type: String,
    major: u32,
    minor: u32,
    #[serde(default)]
    device: Option<String>,
    access: String,
    verdict: Answer,
    count: u64,
    first: Time,
    last: Time,
    commands: Vec<String>,
}

impl From<Asked> for Written {
    fn from(asked: Asked) -> Written {
        let Asked { request, answer, count, first, last, device, commands } = asked;
        Written {
            device_type: request.device_type.to_string(),
            major: request.major,
            minor: request.minor,
            device,
            access: request.access.to_string(),
            verdict: answer,
            count,
            first,
            last,
            commands,
        }
    }
}

impl TryFrom<Written> for Asked {
    type Error = RequestError;

    fn try_from(written: Written) -> Result<Asked, RequestError> {
        let Written { device_type, major, minor, access, .. } = &written;
        Ok(Asked {
            request: format!("{device_type} {major}:{minor} {access}").parse()?,
            answer: written.verdict,
            count: written.count,
            first: written.first,
            last: written.last,
            device: written.device,
            commands: written.commands,
        })
    }
}

/// A name that a process gave itself, without what a terminal takes for a command or for another
/// direction of writing.
pub fn printable(name: &str) -> String {
    let mut printable = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' | '\'' | '\\' => printable.push(c),
            c => printable.extend(c.escape_debug()),
        }
    }
    printable
}

impl Asked {
    /// Adds requests that are like these.
    fn add(&mut self, other: Asked) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.device = other.device.or_else(|| self.device.take());
        self.know(other.commands);
    }

    /// Adds the commands that are not among its own yet.
    pub(super) fn know(&mut self, commands: impl IntoIterator<Item = String>) {
        for command in commands {
            if self.commands.len() < MOST_COMMANDS && !self.commands.contains(&command) {
                self.commands.push(command);
            }
        }
    }

    pub(super) fn key(&self) -> Key {
        let Request { device_type, major, minor, access } = self.request;
        Key(device_type == DeviceType::Block, major, minor, access.kernel_bits(), self.answer)
    }
}

/// The order of requests: character devices first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(bool, u32, u32, u32, Answer);

/// Requests in their order, those that are alike as one.
pub fn merged(all: impl IntoIterator<Item = Asked>) -> Vec<Asked> {
    let mut merged: BTreeMap<Key, Asked> = BTreeMap::new();
    for asked in all {
        match merged.get_mut(&asked.key()) {
            Some(alike) => alike.add(asked),
            None => drop(merged.insert(asked.key(), asked)),
        }
    }
    merged.into_values().collect()
}
