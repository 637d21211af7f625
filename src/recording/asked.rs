//! Requests as a recording keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::container::Time;
use crate::device::{DeviceType, Request};

/// Most commands that are kept of requests that are alike.
const MOST_COMMANDS: usize = 8;

/// What requests were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// They were allowed.
    Allowed,
    /// They were denied.
    Denied,
    /// Nobody knows: the kernel does not tell, and the container's policy was not to be had.
    Unknown,
}

/// Requests that are alike, and were answered alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// What was asked.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
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
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// Names of processes that asked: the last one each time that was looked, 8 at most. They are
    /// [`printable`].
    pub commands: Vec<String>,
}

fn as_text<S: Serializer>(request: &Request, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(request)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Request, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
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
