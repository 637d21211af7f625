//! A second reading of `linux.resources.devices`, from a JSON tree and without devgate's types.
//! It says what the rules mean by applying them in order, while devgate looks for the last one.

use devgate::device::{Access, Request};
use serde_json::Value;

/// One rule as it is written.
#[derive(Debug)]
pub struct Entry {
    allow: bool,
    device_type: Option<String>,
    major: Option<i64>,
    minor: Option<i64>,
    access: Option<String>,
}

/// The entries of a config.json that devgate accepts. Panics if one is malformed, since devgate
/// must have refused it.
pub fn entries(config: &Value) -> Vec<Entry> {
    let devices = ["linux", "resources", "devices"].iter().try_fold(config, |at, key| {
        check_spelling(at, &[key]);
        at.get(key)
    });
    match devices {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(devices)) => devices.iter().map(entry).collect(),
        Some(other) => panic!("accepted as an array of rules: {other}"),
    }
}

/// runc takes a key in any case of letters for the key itself, and so it must be refused.
fn check_spelling(object: &Value, keys: &[&str]) {
    for key in object.as_object().into_iter().flat_map(|object| object.keys()) {
        let folded = key.to_lowercase().replace('\u{17f}', "s");
        assert!(
            keys.contains(&key.as_str()) || !keys.contains(&folded.as_str()),
            "accepted {key:?}"
        );
    }
}

fn entry(written: &Value) -> Entry {
    check_spelling(written, &["allow", "type", "major", "minor", "access"]);
    let malformed = |key: &str| -> ! { panic!("accepted with this {key}: {written}") };
    let text = |key: &str| match written.get(key) {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => malformed(key),
    };
    let number = |key: &str| match written.get(key) {
        None => None,
        Some(Value::Number(number)) => match number.as_i64() {
            Some(number @ -1..=0xffff_ffff) => Some(number),
            _ => malformed(key),
        },
        Some(_) => malformed(key),
    };
    let Some(Value::Bool(allow)) = written.get("allow") else { malformed("allow") };
    let device_type = text("type");
    if !matches!(device_type.as_deref(), None | Some("a" | "b" | "c")) {
        malformed("type");
    }
    let access = text("access");
    if access.iter().flat_map(|letters| letters.chars()).any(|letter| !"rwm".contains(letter)) {
        malformed("access");
    }
    Entry { allow: *allow, device_type, major: number("major"), minor: number("minor"), access }
}

/// Whether the request passes, by these entries alone.
pub fn allows(entries: &[Entry], request: &Request) -> bool {
    let mut allowed = Vec::new();
    for entry in entries.iter().filter(|entry| entry.matches(request)) {
        for letter in entry.letters().chars() {
            allowed.retain(|other| *other != letter);
            if entry.allow {
                allowed.push(letter);
            }
        }
    }
    match request.access {
        Access::NONE => !allowed.is_empty(),
        wanted => wanted.to_string().chars().all(|letter| allowed.contains(&letter)),
    }
}

impl Entry {
    fn matches(&self, request: &Request) -> bool {
        let is = |own: Option<i64>, asked: u32| {
            matches!(own, None | Some(-1)) || own == Some(asked.into())
        };
        let is_type = match self.device_type.as_deref() {
            None | Some("a") => true,
            Some(letter) => letter == request.device_type.to_string(),
        };
        is_type && is(self.major, request.major) && is(self.minor, request.minor)
    }

    fn letters(&self) -> &str {
        match self.access.as_deref() {
            None | Some("") if !self.allow => "rwm",
            letters => letters.unwrap_or_default(),
        }
    }
}
