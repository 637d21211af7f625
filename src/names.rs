//! Names of devices: well-known ones, the nodes that this host has, and drivers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;

use crate::device::DeviceType;
use crate::policy::{Number, Rule, TypeMatch};

/// Names that every Linux has (Documentation/admin-guide/devices.txt).
const KNOWN: [(DeviceType, u32, Option<u32>, &str); 12] = [
    (DeviceType::Char, 1, Some(1), "/dev/mem"),
    (DeviceType::Char, 1, Some(3), "/dev/null"),
    (DeviceType::Char, 1, Some(5), "/dev/zero"),
    (DeviceType::Char, 1, Some(7), "/dev/full"),
    (DeviceType::Char, 1, Some(8), "/dev/random"),
    (DeviceType::Char, 1, Some(9), "/dev/urandom"),
    (DeviceType::Char, 1, Some(11), "/dev/kmsg"),
    (DeviceType::Char, 5, Some(0), "/dev/tty"),
    (DeviceType::Char, 5, Some(1), "/dev/console"),
    (DeviceType::Char, 5, Some(2), "/dev/ptmx"),
    (DeviceType::Char, 10, Some(200), "/dev/net/tun"),
    (DeviceType::Char, 136, None, "/dev/pts/*"),
];

/// Device nodes that are looked up: each takes some microseconds, and a program may name as many
/// devices as there are.
const MOST_NODES: u32 = 4096;

/// Looks names up, each once.
#[derive(Debug, Default)]
pub struct Names {
    nodes: Cell<u32>,
    drivers: RefCell<Option<BTreeMap<(DeviceType, u32), String>>>,
}

impl Names {
    /// The name of what a rule is for; `None` if it is for more than one driver's devices, or
    /// nobody has named them.
    pub fn of_rule(&self, rule: &Rule) -> Option<String> {
        let TypeMatch::Only(device_type) = rule.device_type() else { return None };
        match (rule.major(), rule.minor()) {
            (Number::Exactly(major), Number::Exactly(minor)) => {
                self.device(device_type, major, minor)
            }
            (Number::Exactly(major), Number::Any) => self.driver(device_type, major),
            (Number::Any, _) => None,
        }
    }

    /// The name of one device: its node, or else its driver.
    pub fn device(&self, device_type: DeviceType, major: u32, minor: u32) -> Option<String> {
        known(device_type, major, Some(minor))
            .or_else(|| self.node(device_type, major, minor))
            .or_else(|| self.driver(device_type, major))
    }

    fn node(&self, device_type: DeviceType, major: u32, minor: u32) -> Option<String> {
        self.nodes.set(self.nodes.get().saturating_add(1));
        (self.nodes.get() <= MOST_NODES).then(|| node(device_type, major, minor))?
    }

    fn driver(&self, device_type: DeviceType, major: u32) -> Option<String> {
        if let Some(name) = known(device_type, major, None) {
            return Some(name);
        }
        let mut drivers = self.drivers.borrow_mut();
        let drivers = drivers.get_or_insert_with(read_drivers);
        drivers.get(&(device_type, major)).map(|name| format!("driver {name}"))
    }
}

fn known(device_type: DeviceType, major: u32, minor: Option<u32>) -> Option<String> {
    KNOWN
        .iter()
        .find(|(known, m, n, _)| (*known, *m, *n) == (device_type, major, minor))
        .map(|(.., name)| (*name).to_owned())
}

/// What udev calls it, by /sys/dev.
fn node(device_type: DeviceType, major: u32, minor: u32) -> Option<String> {
    let kind = match device_type {
        DeviceType::Block => "block",
        DeviceType::Char => "char",
    };
    let uevent = fs::read_to_string(format!("/sys/dev/{kind}/{major}:{minor}/uevent")).ok()?;
    let name = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(format!("/dev/{}", name.escape_default()))
}

/// The node that this host has of a device, if it has that device.
pub fn node_path(device_type: DeviceType, major: u32, minor: u32) -> Option<String> {
    known(device_type, major, Some(minor)).or_else(|| node(device_type, major, minor))
}

/// /proc/devices: a heading for each type, then majors and drivers.
fn read_drivers() -> BTreeMap<(DeviceType, u32), String> {
    let text = fs::read_to_string("/proc/devices").unwrap_or_default();
    let mut drivers = BTreeMap::new();
    let mut device_type = None;
    for line in text.lines() {
        match line {
            "Character devices:" => device_type = Some(DeviceType::Char),
            "Block devices:" => device_type = Some(DeviceType::Block),
            _ => {
                let entry = line.trim().split_once(' ');
                if let (Some(device_type), Some((major, name))) = (device_type, entry)
                    && let Ok(major) = major.parse()
                {
                    drivers.entry((device_type, major)).or_insert_with(|| name.to_owned());
                }
            }
        }
    }
    drivers
}
