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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `c 1:3 rw` as it was answered, by this command.
    pub fn asked(request: &str, answer: Answer, command: &str) -> Asked {
        let request: Request = request.parse().unwrap();
        let device = Some(format!("/dev/{}-{}", request.major, request.minor));
        let (first, last) = ("2026-11-24T22:00:00Z", "2026-11-24T22:00:05.250Z");
        Asked {
            request,
            answer,
            count: 2,
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            device,
            commands: vec![command.to_owned()],
        }
    }

    #[test]
    fn what_is_alike_is_one() {
        let later = Asked {
            first: "2026-11-24T22:00:01Z".parse().unwrap(),
            last: "2026-11-24T23:00:00Z".parse().unwrap(),
            ..asked("c 1:3 rw", Answer::Allowed, "cat")
        };
        let all = [
            asked("b 7:0 r", Answer::Allowed, "sh"),
            asked("c 1:3 rw", Answer::Allowed, "sh"),
            asked("c 1:3 rw", Answer::Denied, "sh"),
            later,
        ];
        let merged = merged(all);
        let texts = merged.iter().map(|asked| format!("{} {:?}", asked.request, asked.answer));
        let texts: Vec<String> = texts.collect();
        assert_eq!(texts, ["c 1:3 rw Allowed", "c 1:3 rw Denied", "b 7:0 r Allowed"]);
        assert_eq!(merged[0].count, 4);
        assert_eq!(merged[0].commands, ["sh", "cat"]);
        assert_eq!(merged[0].first.to_string(), "2026-11-24T22:00:00.000Z");
        assert_eq!(merged[0].last.to_string(), "2026-11-24T23:00:00.000Z");
    }

    #[test]
    fn it_is_read_back_as_written() {
        let asked = asked("c 10:229 -", Answer::Unknown, "fuse");
        let text = serde_json::to_string(&asked).unwrap();
        assert!(text.starts_with(r#"{"request":"c 10:229 -","answer":"unknown","count":2,"#));
        assert_eq!(serde_json::from_str::<Asked>(&text).unwrap(), asked);
    }

    #[test]
    fn a_name_from_outside_moves_no_cursor() {
        for (name, expected) in [
            ("sh", "sh"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb", "a\\nb"),
            ("a\u{9b}b", "a\\u{9b}b"),
            ("\u{202e}cba", "\\u{202e}cba"),
            ("kworker/0:1\"", "kworker/0:1\""),
            ("Käse", "Käse"),
        ] {
            assert_eq!(printable(name), expected);
        }
    }
}
