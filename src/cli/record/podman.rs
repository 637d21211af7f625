//! Rules as flags of `podman run`.

use std::io::{self, Write};

use devgate::device::{Access, DeviceType};
use devgate::names::node_path;
use devgate::policy::{Number, Rule, TypeMatch};
use devgate::recording::Learnt;

/// Devices of which podman makes nodes in every container (runtime-spec, "Default Devices").
const EVERYWHERE: [(u32, Option<u32>); 10] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(1)),
    (5, Some(2)),
    (136, None),
    // /dev/net/tun: by the base rules it may be used, and who uses it makes the node.
    (10, Some(200)),
];

/// One flag a line. A container has no node of most devices: `--device` makes one, if this machine
/// has one. Who made nodes of its own (`m`) does that again.
pub fn flags(out: &mut Vec<u8>, learnt: &[Learnt]) -> io::Result<()> {
    for learnt in learnt {
        let rule = &learnt.rule;
        match node(rule) {
            Some(path) => {
                writeln!(out, "--device {}", quoted(&format!("{path}:{path}:{}", rule.access())))?;
            }
            None => {
                let text = rule.to_string();
                let rule = text.strip_prefix("allow ").unwrap_or(&text);
                writeln!(out, "--device-cgroup-rule '{rule}'")?;
            }
        }
    }
    Ok(())
}

/// The node that podman has to make.
fn node(rule: &Rule) -> Option<String> {
    let (TypeMatch::Only(device_type), Number::Exactly(major)) = (rule.device_type(), rule.major())
    else {
        return None;
    };
    let minor = match rule.minor() {
        Number::Exactly(minor) => Some(minor),
        Number::Any => None,
    };
    let is_everywhere = device_type == DeviceType::Char && EVERYWHERE.contains(&(major, minor));
    let makes_its_own = rule.access().contains(Access::MKNOD);
    if is_everywhere || makes_its_own {
        return None;
    }
    // In podman's flag a colon ends the path.
    node_path(device_type, major, minor?).filter(|path| !path.contains(':'))
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._:+-".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_path_for_a_path() {
        assert_eq!(quoted("/dev/fuse:/dev/fuse:rw"), "/dev/fuse:/dev/fuse:rw");
        assert_eq!(quoted("/dev/a b'c$(d)"), "'/dev/a b'\\''c$(d)'");
    }

    #[test]
    fn nodes_are_made_of_devices_that_containers_do_not_have() {
        let node = |rule: &str| node(&rule.parse().unwrap());
        assert_eq!(node("allow c 1:11 r").as_deref(), Some("/dev/kmsg"));
        for rule in ["allow c 1:3 rw", "allow c 136:* rw", "allow c 1:11 rm", "allow c 240:77 r"] {
            assert_eq!(node(rule), None, "{rule}");
        }
    }
}
