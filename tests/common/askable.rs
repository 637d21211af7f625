//! Which requests a real system call can make, and make without harm.

use std::fs;

use devgate::device::{Access, DeviceType, Request};

/// Char devices that do nothing when they are opened, whoever has them. /dev/mem and /dev/port
/// are none of these: they have an EPERM of their own.
const HARMLESS: [(u32, &[u32]); 4] =
    [(1, &[3, 5, 7, 8, 9, 11]), (5, &[0, 1, 2]), (10, &[200, 229]), (136, &[0, 1, 5])];

/// Majors that have a driver, by type.
pub struct Drivers {
    char: Vec<u32>,
    block: Vec<u32>,
}

impl Drivers {
    /// Of this machine.
    pub fn read() -> Drivers {
        let text = fs::read_to_string("/proc/devices").expect("/proc lists the drivers");
        let (char, block) = text.split_once("Block devices:").expect("both types are listed");
        let majors = |part: &str| {
            let words = part.lines().filter_map(|line| line.split_whitespace().next());
            words.filter_map(|word| word.parse().ok()).collect()
        };
        Drivers { char: majors(char), block: majors(block) }
    }

    /// Whether one system call asks the cgroup for just this, of a device that can exist, and
    /// opens nothing that would mind: a watchdog, say, reboots the machine.
    pub fn askable(&self, request: &Request) -> bool {
        let Request { device_type, major, minor, access } = *request;
        let exists = major < 1 << 12 && minor < 1 << 20;
        // The kernel never asks about opening 0:0, nor about making it as a char device, which
        // is an overlay's whiteout (devcgroup_inode_permission, devcgroup_inode_mknod).
        let is_asked = (major, minor) != (0, 0);
        exists
            && is_asked
            && match access {
                Access::MKNOD | Access::NONE => true,
                combined if combined.contains(Access::MKNOD) => false,
                _ => self.harmless(device_type, major, minor),
            }
    }

    fn harmless(&self, device_type: DeviceType, major: u32, minor: u32) -> bool {
        match device_type {
            // Without a driver the answer is ENXIO.
            DeviceType::Block => !self.block.contains(&major),
            DeviceType::Char => {
                let listed = HARMLESS.iter().find(|(known, _)| *known == major);
                match listed {
                    Some((_, minors)) => minors.contains(&minor),
                    None => !self.char.contains(&major),
                }
            }
        }
    }
}
