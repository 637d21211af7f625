//! The policies that are measured.

use anyhow::Context;
use devgate::oci::{Document, read_config};
use devgate::policy::DefaultDevices;
use fastrand::Rng;
use serde_json::{Value, json};

const PODMAN: &str = include_str!("../data/podman.json");
const CONTAINERD: &str = include_str!("../data/containerd.json");

const SEED: u64 = 20_261_122;

/// A config.json, and what it is called in the tables.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: &'static str,
    /// All of config.json.
    pub config: Value,
    defaults: DefaultDevices,
}

/// A device node, and what a program must answer when it is opened to read.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name in the tables.
    pub name: &'static str,
    /// Major number of a character device.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Whether the policy lets it pass.
    pub allowed: bool,
}

impl Policy {
    fn new(name: &'static str, base: &str, rules: Option<Vec<Value>>) -> Policy {
        let mut config: Value = serde_json::from_str(base).unwrap_or_default();
        if let (Some(rules), Some(devices)) =
            (rules, config.pointer_mut("/linux/resources/devices"))
        {
            *devices = rules.into();
        }
        Policy { name, config, defaults: DefaultDevices::Base }
    }

    /// What podman writes for a plain container: "deny everything" and no more.
    pub fn podman() -> Policy {
        Policy::new("podman plain", PODMAN, None)
    }

    /// What containerd writes for a plain container.
    pub fn containerd() -> Policy {
        Policy::new("containerd plain", CONTAINERD, None)
    }

    /// 1,000 allow rules to read and write random character devices.
    pub fn random_1_000() -> Policy {
        Policy::new("1,000 random", PODMAN, Some(random(1_000, Kind::Alike)))
    }

    /// 10,000 of these.
    pub fn random_10_000() -> Policy {
        Policy::new("10,000 random", PODMAN, Some(random(10_000, Kind::Alike)))
    }

    /// As many, for random minors of 16 majors: peers' programs for more majors than some dozens
    /// are refused by the kernel, which walks the whole chain once for each.
    pub fn few_majors() -> Policy {
        Policy::new("1,000 in 16 majors", PODMAN, Some(random(1_000, Kind::FewMajors)))
    }

    /// 1,000 allow rules with random type and access too.
    pub fn mixed_1_000() -> Policy {
        Policy::new("1,000 random, mixed", PODMAN, Some(random(1_000, Kind::Mixed)))
    }

    /// 10,000 of these.
    pub fn mixed_10_000() -> Policy {
        Policy::new("10,000 random, mixed", PODMAN, Some(random(10_000, Kind::Mixed)))
    }

    /// 250 minors in a row in each of 4 majors.
    pub fn adjacent() -> Policy {
        let numbers = (500..504).flat_map(|major| (1..=250).map(move |minor| (major, minor)));
        let rules = numbers.map(|(major, minor)| allow("c", major, minor, "rwm"));
        Policy::new("1,000 adjacent (4 majors)", PODMAN, Some(denied_first(rules)))
    }

    /// 25 minors three apart in each of 40 majors.
    pub fn three_apart() -> Policy {
        let numbers = (500..540).flat_map(|major| (0..25).map(move |minor| (major, 3 * minor)));
        let rules = numbers.map(|(major, minor)| allow("c", major, minor, "rwm"));
        Policy::new("25 minors three apart in 40 majors", PODMAN, Some(denied_first(rules)))
    }

    /// One rule that allows or denies everything, and no defaults.
    pub fn everything(allow: bool) -> Policy {
        let name = if allow { "allow all" } else { "deny all" };
        let rules = vec![json!({"allow": allow, "access": "rwm"})];
        Policy { defaults: DefaultDevices::None, ..Policy::new(name, PODMAN, Some(rules)) }
    }

    /// Its name, fit for a file.
    pub fn file_name(&self) -> String {
        self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    }

    /// config.json.
    pub fn text(&self) -> String {
        self.config.to_string()
    }

    /// As devgate reads it.
    pub fn parsed(&self) -> anyhow::Result<devgate::policy::Policy> {
        let config = read_config(self.text().as_bytes(), Document::ConfigOnStdin)?;
        Ok(devgate::policy::Policy::new(config.rules, self.defaults))
    }

    fn rules(&self) -> &[Value] {
        let rules = self.config.pointer("/linux/resources/devices").and_then(Value::as_array);
        rules.map_or(&[], Vec::as_slice)
    }

    /// The device of the last rule that lets a character device be read; without one, that of
    /// the last base rule, /dev/net/tun.
    fn last_allowed(&self) -> anyhow::Result<(u32, u32)> {
        let last = self.rules().iter().rev().find(|rule| {
            rule["type"] == "c" && rule["access"].as_str().is_some_and(|a| a.contains('r'))
        });
        let Some(rule) = last else { return Ok((10, 200)) };
        let number = |key: &str| {
            let number = rule[key].as_u64().and_then(|number| u32::try_from(number).ok());
            number.with_context(|| format!("a rule without {key}"))
        };
        Ok((number("major")?, number("minor")?))
    }

    /// The nodes whose opening is measured. The denied one has the last allowed one's major and
    /// the next minor, where no rule names that: a program can't dismiss it early.
    pub fn nodes(&self) -> anyhow::Result<[Node; 3]> {
        let (major, minor) = self.last_allowed()?;
        let named = |number: u32| self.rules().iter().any(|rule| rule["minor"] == number);
        let other = (minor + 1..).find(|minor| !named(*minor)).unwrap_or(minor);
        Ok([
            Node { name: "/dev/null", major: 1, minor: 3, allowed: true },
            Node { name: "last allowed", major, minor, allowed: true },
            Node { name: "denied", major, minor: other, allowed: false },
        ])
    }
}

fn allow(device_type: &str, major: u32, minor: u32, access: &str) -> Value {
    json!({"allow": true, "type": device_type, "major": major, "minor": minor, "access": access})
}

fn denied_first(rules: impl Iterator<Item = Value>) -> Vec<Value> {
    std::iter::once(json!({"allow": false, "access": "rwm"})).chain(rules).collect()
}

/// What random rules are like: in their numbers alone; in few majors; in type and access too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Alike,
    FewMajors,
    Mixed,
}

/// Majors of 12 bits, minors of 20.
fn random(count: usize, kind: Kind) -> Vec<Value> {
    let mut rng = Rng::with_seed(SEED);
    denied_first((0..count).map(|_| {
        let (device_type, access) = match kind {
            Kind::Alike | Kind::FewMajors => ("c", "rw"),
            Kind::Mixed => (
                ["b", "c"][rng.usize(..2)],
                ["r", "w", "m", "rw", "rm", "wm", "rwm"][rng.usize(..7)],
            ),
        };
        let major = match kind {
            Kind::FewMajors => 1_000 + 100 * rng.u32(..16),
            Kind::Alike | Kind::Mixed => rng.u32(..1 << 12),
        };
        allow(device_type, major, rng.u32(..1 << 20), access)
    }))
}
