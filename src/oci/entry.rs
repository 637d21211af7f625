//! A rule as an entry of `linux.resources.devices`, read and written by itself.

use serde::de::{DeserializeSeed, Error};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::config::EntrySeed;
use crate::device::{Access, DeviceType};
use crate::policy::{Few, Number, Rule, TypeMatch, Verdict};

/// A rule as an entry of `linux.resources.devices` (runtime-spec, "Allowed Device list"). What it
/// leaves out matches everything. Unlike in a config.json, a key that the specification does not
/// have is an error: devgate wrote the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceEntry(pub Rule);

impl Serialize for DeviceEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rule = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("allow", &(rule.verdict() == Verdict::Allow))?;
        if let TypeMatch::Only(device_type) = rule.device_type() {
            map.serialize_entry("type", letter(device_type))?;
        }
        for (key, number) in [("major", rule.major()), ("minor", rule.minor())] {
            if let Number::Exactly(number) = number {
                map.serialize_entry(key, &number)?;
            }
        }
        if rule.access() != Access::NONE {
            map.serialize_entry("access", &rule.access().to_string())?;
        }
        map.end()
    }
}

fn letter(device_type: DeviceType) -> &'static str {
    match device_type {
        DeviceType::Block => "b",
        DeviceType::Char => "c",
    }
}

impl<'de> Deserialize<'de> for DeviceEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DeviceEntry, D::Error> {
        let mut unknown = Few::default();
        let entry = EntrySeed { index: 0, unknown: &mut unknown }.deserialize(deserializer)?;
        if let Some((_, key)) = unknown.first() {
            return Err(D::Error::custom(format_args!("unknown key {key:?}")));
        }
        let rule = entry.rule();
        rule.map(DeviceEntry)
            .map_err(|(field, problem)| D::Error::custom(format_args!("{field}: {problem}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_read_back_as_written() {
        for (rule, json) in [
            ("deny a *:* rwm", r#"{"allow":false,"access":"rwm"}"#),
            (
                "allow c 10:229 rw",
                r#"{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}"#,
            ),
            (
                "allow b *:4294967295 m",
                r#"{"allow":true,"type":"b","minor":4294967295,"access":"m"}"#,
            ),
            ("allow a 1:* -", r#"{"allow":true,"major":1}"#),
        ] {
            let rule: Rule = rule.parse().unwrap();
            assert_eq!(serde_json::to_string(&DeviceEntry(rule)).unwrap(), json);
            assert_eq!(serde_json::from_str::<DeviceEntry>(json).unwrap(), DeviceEntry(rule));
        }
    }

    #[test]
    fn what_devgate_does_not_write_is_an_error() {
        for (json, part) in [
            (r#"{"access":"r"}"#, "allow: missing"),
            (r#"{"allow":true,"Major":1}"#, "the key must be written \"major\""),
            (r#"{"allow":true,"more":1}"#, "unknown key \"more\""),
            (r#"{"allow":true,"allow":false}"#, "duplicate key"),
            (r#"{"allow":true,"access":"x"}"#, "unknown access letter"),
            ("[]", "expected a device rule"),
        ] {
            let error = serde_json::from_str::<DeviceEntry>(json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
