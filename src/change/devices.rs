//! The devices that a change is about, as an operator names them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use crate::container::{DeviceNumbers, NodeError, NodeSpec};
use crate::device::{Access, DeviceType};
use crate::policy::{Number, Rule, TypeMatch, Verdict};

/// One device, or all devices of a type that have a number in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Devices {
    /// Their type.
    pub device_type: DeviceType,
    /// Their major number.
    pub major: Number,
    /// Their minor number.
    pub minor: Number,
}

impl Devices {
    /// The numbers, if it is one device.
    pub fn one(&self) -> Option<(u32, u32)> {
        match (self.major, self.minor) {
            (Number::Exactly(major), Number::Exactly(minor)) => Some((major, minor)),
            _ => None,
        }
    }

    /// The devices of a rule; `None` if it is for both types.
    pub fn of(rule: &Rule) -> Option<Devices> {
        let TypeMatch::Only(device_type) = rule.device_type() else { return None };
        Some(Devices { device_type, major: rule.major(), minor: rule.minor() })
    }

    /// A rule for these devices.
    pub fn rule(&self, verdict: Verdict, access: Access) -> Rule {
        let device_type = TypeMatch::Only(self.device_type);
        Rule::new(verdict, device_type, self.major, self.minor, access)
    }

    /// Whether this device is one of them.
    pub fn has(&self, device: &DeviceNumbers) -> bool {
        self.device_type == device.device_type
            && self.major.matches(device.major)
            && self.minor.matches(device.minor)
    }

    /// Whether every device that the rule is for is one of these.
    pub fn cover(&self, rule: &Rule) -> bool {
        let covers = |own, other| own == Number::Any || own == other;
        rule.device_type() == TypeMatch::Only(self.device_type)
            && covers(self.major, rule.major())
            && covers(self.minor, rule.minor())
    }

    /// The devices that are among both.
    pub fn common(&self, other: &Devices) -> Option<Devices> {
        let common = |own, other| match (own, other) {
            (Number::Any, number) | (number, Number::Any) => Some(number),
            _ => (own == other).then_some(own),
        };
        let major = common(self.major, other.major)?;
        let minor = common(self.minor, other.minor)?;
        let device_type = self.device_type;
        (device_type == other.device_type).then_some(Devices { device_type, major, minor })
    }
}

impl fmt::Display for Devices {
    /// Like `c 10:229`, with `*` for any number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.device_type, self.major, self.minor)
    }
}

/// A device by its name: a path on the host, or type and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceName {
    /// A device node on the host, or a link to one.
    Path(PathBuf),
    /// Type and numbers.
    Numbers(Devices),
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Path(path) => write!(f, "{}", path.display()),
            DeviceName::Numbers(devices) => write!(f, "{devices}"),
        }
    }
}

/// A device and the access to it, like `/dev/fuse:rw`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The device.
    pub name: DeviceName,
    /// The access; `None` if that was left out.
    pub access: Option<Access>,
}

/// A text that names no device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a device (expected a path on the host like /dev/fuse:rw, or type and numbers like \
     'c 10:229:rw')"
)]
pub struct NameError(String);

/// Why a device can't be found.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// There is no such file on the host, or it is not a device node.
    #[error("host device {}{hint}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What may be meant by the end of the path; mostly nothing.
        hint: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Linux has no such numbers.
    #[error(transparent)]
    Numbers(#[from] NodeError),
}

/// What a name stands for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The devices.
    pub devices: Devices,
    /// A node for it; `None` if it is more than one device.
    pub node: Option<NodeSpec>,
}

impl DeviceName {
    /// Looks the device up. A host's node gives its permissions, too, as with engines' `--device`.
    ///
    /// # Errors
    /// There is no such device node, or there are no such numbers.
    pub fn resolve(&self) -> Result<Resolved, DeviceError> {
        match self {
            DeviceName::Path(path) => {
                let found = NodeSpec::like(path);
                let node = found.map_err(|source| DeviceError::Path {
                    path: path.clone(),
                    hint: hint(path),
                    source,
                })?;
                let (major, minor) = (node.major(), node.minor());
                let devices = Devices {
                    device_type: node.device_type(),
                    major: Number::Exactly(major),
                    minor: Number::Exactly(minor),
                };
                Ok(Resolved { devices, node: Some(node) })
            }
            DeviceName::Numbers(devices) => {
                let spec = |(major, minor)| NodeSpec::new(devices.device_type, major, minor);
                Ok(Resolved { devices: *devices, node: devices.one().map(spec).transpose()? })
            }
        }
    }
}

/// What a path that ends like `:rwx` may have been meant as.
fn hint(path: &Path) -> &'static str {
    let end = path.to_str().and_then(|path| path.rsplit_once(':'));
    match end {
        Some((_, end)) if end.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            " (an access consists of the letters \"rwm\")"
        }
        _ => "",
    }
}

impl FromStr for DeviceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<DeviceName, NameError> {
        if text.starts_with('/') {
            return Ok(DeviceName::Path(PathBuf::from(text)));
        }
        let (device_type, numbers) =
            text.split_once(' ').ok_or_else(|| NameError(text.to_owned()))?;
        devices(device_type, numbers)
            .map(DeviceName::Numbers)
            .ok_or_else(|| NameError(text.to_owned()))
    }
}

fn devices(device_type: &str, numbers: &str) -> Option<Devices> {
    let device_type = DeviceType::ALL.into_iter().find(|own| own.to_string() == device_type)?;
    let (major, minor) = numbers.split_once(':')?;
    Some(Devices { device_type, major: number(major)?, minor: number(minor)? })
}

fn number(text: &str) -> Option<Number> {
    match text {
        "*" => Some(Number::Any),
        // u32's own parser would take a leading plus.
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().map(Number::Exactly)
        }
        _ => None,
    }
}

impl FromStr for Asked {
    type Err = NameError;

    /// A path may have colons of its own: only letters of an access after the last one are taken
    /// for an access.
    fn from_str(text: &str) -> Result<Asked, NameError> {
        let text = text.trim();
        // 'c 10:229 rw', as `check` and rules have it, is taken too.
        let split = match text.starts_with('/') {
            true => text.rsplit_once(':'),
            false => text.rsplit_once([':', ' ']),
        };
        let access = split.and_then(|(name, letters)| Some((name, access(letters)?)));
        match access {
            Some((name, access)) => Ok(Asked { name: name.parse()?, access: Some(access) }),
            None => Ok(Asked { name: text.parse()?, access: None }),
        }
    }
}

fn access(letters: &str) -> Option<Access> {
    letters.parse().ok().filter(|access: &Access| !access.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> (String, String) {
        let asked: Asked = text.parse().unwrap();
        let access = asked.access.map_or("-".to_owned(), |access| access.to_string());
        (asked.name.to_string(), access)
    }

    #[test]
    fn a_device_and_its_access_are_told_apart() {
        let by_path = "/dev/disk/by-path/pci-0000:00:1f.2-ata-1";
        for (text, name, access) in [
            ("/dev/fuse", "/dev/fuse", "-"),
            ("/dev/fuse:r", "/dev/fuse", "r"),
            ("/dev/fuse:mwr", "/dev/fuse", "rwm"),
            (by_path, by_path, "-"),
            (&format!("{by_path}:rw"), by_path, "rw"),
            ("/dev/fuse:x", "/dev/fuse:x", "-"),
            ("c 10:229", "c 10:229", "-"),
            ("c 10:229:rw", "c 10:229", "rw"),
            ("b 8:0 r", "b 8:0", "r"),
            ("c 195:*", "c 195:*", "-"),
            ("c 195:*:rwm", "c 195:*", "rwm"),
        ] {
            assert_eq!(asked(text), (name.to_owned(), access.to_owned()), "{text}");
        }
        for text in
            ["", "fuse", "c", "c 10", "c10:229", "a 10:229", "c 10:+1", "c 10:229:x", "c x:1"]
        {
            assert!(text.parse::<Asked>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_path_is_looked_up_and_links_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("by-id");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in ["/dev/null", link.to_str().unwrap()] {
            let found = path.parse::<DeviceName>().unwrap().resolve().unwrap();
            assert_eq!(found.devices.to_string(), "c 1:3");
            assert_eq!(found.node.unwrap().mode(), 0o666);
        }
        for (path, part) in [("/no/such", "No such file"), ("/etc/passwd", "not a device node")] {
            let error = path.parse::<DeviceName>().unwrap().resolve().unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains(part), "{cause}");
        }
        let error = "/dev/null:rwx".parse::<DeviceName>().unwrap().resolve().unwrap_err();
        assert!(error.to_string().contains("letters \"rwm\""), "{error}");
    }

    fn devices(text: &str) -> Devices {
        match text.parse().unwrap() {
            DeviceName::Numbers(devices) => devices,
            DeviceName::Path(_) => panic!("{text} is a path"),
        }
    }

    #[test]
    fn what_two_names_have_in_common() {
        for (one, other, common) in [
            ("c 10:*", "c 10:229", Some("c 10:229")),
            ("c 10:*", "c *:229", Some("c 10:229")),
            ("c *:*", "c 10:*", Some("c 10:*")),
            ("c 10:*", "c 11:*", None),
            ("c 10:229", "b 10:229", None),
        ] {
            let common = common.map(devices);
            assert_eq!(devices(one).common(&devices(other)), common, "{one} {other}");
            assert_eq!(devices(other).common(&devices(one)), common, "{other} {one}");
        }
    }

    #[test]
    fn a_wildcard_covers_what_it_matches() {
        let rule = "allow c 195:3 rw".parse().unwrap();
        for (text, covers) in [
            ("c 195:3", true),
            ("c 195:*", true),
            ("c *:*", true),
            ("c 195:4", false),
            ("b *:*", false),
        ] {
            assert_eq!(devices(text).cover(&rule), covers, "{text}");
        }
        assert!(!devices("c 195:3").cover(&"allow c 195:* r".parse().unwrap()));
        assert!(!devices("c *:*").cover(&"allow a 195:3 r".parse().unwrap()));
    }
}
