//! The devices that every container gets unless its config says otherwise (DESIGN.md 2.6).

use super::{Number, Origin, Policy, Rule, TypeMatch, Verdict};
use crate::device::{Access, DeviceType};

/// Where the base rules go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultDevices {
    /// Right after the last rule that denies everything, or first: explicit rules win.
    #[default]
    Base,
    /// After all rules, as runc and crun do: they win over explicit rules.
    Append,
    /// Nowhere.
    None,
}

const ANY: Number = Number::Any;

const fn n(number: u32) -> Number {
    Number::Exactly(number)
}

/// Type, major, minor, access of each base rule.
const BASE: [(DeviceType, Number, Number, Access); 11] = [
    (DeviceType::Char, ANY, ANY, Access::MKNOD),
    (DeviceType::Block, ANY, ANY, Access::MKNOD),
    (DeviceType::Char, n(1), n(3), Access::ALL), // /dev/null
    (DeviceType::Char, n(1), n(5), Access::ALL), // /dev/zero
    (DeviceType::Char, n(1), n(7), Access::ALL), // /dev/full
    (DeviceType::Char, n(1), n(8), Access::ALL), // /dev/random
    (DeviceType::Char, n(1), n(9), Access::ALL), // /dev/urandom
    (DeviceType::Char, n(5), n(0), Access::ALL), // /dev/tty
    (DeviceType::Char, n(5), n(2), Access::ALL), // /dev/ptmx
    (DeviceType::Char, n(136), ANY, Access::ALL), // /dev/pts/*
    (DeviceType::Char, n(10), n(200), Access::ALL), // /dev/net/tun
];

fn base_rules() -> impl Iterator<Item = (Rule, Origin)> {
    BASE.into_iter().map(|(device_type, major, minor, access)| {
        let device_type = TypeMatch::Only(device_type);
        (Rule::new(Verdict::Allow, device_type, major, minor, access), Origin::Base)
    })
}

fn denies_everything(rule: &Rule) -> bool {
    rule.verdict == Verdict::Deny && rule.is_total()
}

pub(super) fn merge(config: Vec<Rule>, default_devices: DefaultDevices) -> Policy {
    let place = match default_devices {
        DefaultDevices::Base => {
            Some(config.iter().rposition(denies_everything).map_or(0, |last| last + 1))
        }
        DefaultDevices::Append => Some(config.len()),
        DefaultDevices::None => None,
    };
    let mut all: Vec<(Rule, Origin)> =
        config.into_iter().enumerate().map(|(index, rule)| (rule, Origin::Config(index))).collect();
    if let Some(place) = place {
        all.splice(place..place, base_rules());
    }
    let (rules, origins) = all.into_iter().unzip();
    Policy { rules, origins }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(rules: &[&str], defaults: DefaultDevices, request: &str) -> Verdict {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Policy::new(rules, defaults).decide(&request.parse().unwrap()).verdict
    }

    #[test]
    fn explicit_rules_win_over_base_and_lose_to_append() {
        let rules = ["deny a *:* rwm", "deny c 10:200 rwm"];
        assert_eq!(verdict(&rules, DefaultDevices::Base, "c 10:200 rw"), Verdict::Deny);
        assert_eq!(verdict(&rules, DefaultDevices::Append, "c 10:200 rw"), Verdict::Allow);
        assert_eq!(verdict(&rules, DefaultDevices::Base, "c 1:3 rw"), Verdict::Allow);
        assert_eq!(verdict(&rules, DefaultDevices::None, "c 1:3 rw"), Verdict::Deny);
    }

    #[test]
    fn base_comes_after_the_last_deny_of_everything_or_first() {
        let twice = ["deny a *:* rwm", "deny c 1:3 rwm", "deny a *:* -"];
        assert_eq!(verdict(&twice, DefaultDevices::Base, "c 1:3 rw"), Verdict::Allow);
        let first = ["deny c 1:3 rwm"];
        assert_eq!(verdict(&first, DefaultDevices::Base, "c 1:3 rw"), Verdict::Deny);
        let not_everything = ["deny c 1:3 r", "deny a *:* rw"];
        assert_eq!(verdict(&not_everything, DefaultDevices::Base, "c 1:5 r"), Verdict::Deny);
    }
}
