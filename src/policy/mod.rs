//! The rules and what they mean: [`Policy::decide`] is the semantics (DESIGN.md section 2),
//! and everything else in the crate is held to it.

mod defaults;
mod notation;
mod warnings;

pub use defaults::DefaultDevices;
pub use warnings::{Few, Warning};

use crate::device::{Access, DeviceType, Request};

/// A rule's or a request's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The kernel answers EPERM.
    Deny,
    /// The program lets it pass.
    Allow,
}

impl Verdict {
    /// The word for it: `allow` or `deny`.
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
        }
    }
}

/// What a rule's `major` or `minor` matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Number {
    /// Absent or -1 in the config: every number.
    Any,
    /// This number alone.
    Exactly(u32),
}

impl Number {
    /// Whether `number` is matched.
    pub fn matches(self, number: u32) -> bool {
        match self {
            Number::Any => true,
            Number::Exactly(own) => own == number,
        }
    }
}

/// What a rule's `type` matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TypeMatch {
    /// Absent or `a` in the config: both types.
    Any,
    /// This type alone.
    Only(DeviceType),
}

impl TypeMatch {
    /// Whether `device_type` is matched.
    pub fn matches(self, device_type: DeviceType) -> bool {
        match self {
            TypeMatch::Any => true,
            TypeMatch::Only(own) => own == device_type,
        }
    }
}

/// One entry of `linux.resources.devices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule {
    verdict: Verdict,
    device_type: TypeMatch,
    major: Number,
    minor: Number,
    access: Access,
}

impl Rule {
    /// A rule; `access` is what the config names, none of it being "absent or empty": that
    /// makes a deny rule deny everything and an allow rule grant nothing (DESIGN.md 2.4).
    pub fn new(
        verdict: Verdict,
        device_type: TypeMatch,
        major: Number,
        minor: Number,
        access: Access,
    ) -> Rule {
        let access = match verdict {
            Verdict::Deny if access.is_none() => Access::ALL,
            _ => access,
        };
        Rule { verdict, device_type, major, minor, access }
    }

    /// What the rule does to the bits that it names.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The device types it matches.
    pub fn device_type(&self) -> TypeMatch {
        self.device_type
    }

    /// The majors it matches.
    pub fn major(&self) -> Number {
        self.major
    }

    /// The minors it matches.
    pub fn minor(&self) -> Number {
        self.minor
    }

    /// The bits it decides.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether type and numbers of the request are this rule's.
    pub fn matches(&self, request: &Request) -> bool {
        self.device_type.matches(request.device_type)
            && self.major.matches(request.major)
            && self.minor.matches(request.minor)
    }

    /// Whether it decides every bit of every device.
    pub fn is_total(&self) -> bool {
        self.access == Access::ALL
            && self.device_type == TypeMatch::Any
            && self.major == Number::Any
            && self.minor == Number::Any
    }
}

/// Where a rule of a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// `linux.resources.devices[i]`.
    Config(usize),
    /// One of the base rules of `--default-devices`.
    Base,
}

/// The rules in the order in which they apply, defaults merged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
    origins: Vec<Origin>,
}

/// Who decided one bit of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitDecision {
    /// The bit.
    pub bit: Access,
    /// What was decided for it.
    pub verdict: Verdict,
    /// The deciding rule, by its place in [`Policy::rules`]; without one the bit is denied.
    pub rule: Option<usize>,
}

/// The outcome for a request, bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The outcome: that of [`Decision::on`] for what the request asks.
    pub verdict: Verdict,
    /// r, w and m, also those that were not asked for.
    pub bits: [BitDecision; 3],
}

impl Decision {
    /// The verdict on a request for `access` that has the same type and numbers: which rule
    /// decides a bit does not depend on which bits are asked for.
    pub fn on(&self, access: Access) -> Verdict {
        let allowed = self
            .bits
            .iter()
            .filter(|decision| decision.verdict == Verdict::Allow)
            .fold(Access::NONE, |allowed, decision| allowed.union(decision.bit));
        if allowed.grants(access) { Verdict::Allow } else { Verdict::Deny }
    }

    /// The bits that bear on the request: those it asks for, or all if it asks for none.
    pub fn relevant(&self, wanted: Access) -> impl Iterator<Item = &BitDecision> {
        self.bits.iter().filter(move |decision| wanted.is_none() || wanted.contains(decision.bit))
    }
}

impl Policy {
    /// The config's rules with the default devices merged in.
    pub fn new(config: Vec<Rule>, default_devices: DefaultDevices) -> Policy {
        defaults::merge(config, default_devices)
    }

    /// The rules in the order in which they apply.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Where `rules()[index]` comes from; `None` past the end.
    pub fn origin(&self, index: usize) -> Option<Origin> {
        self.origins.get(index).copied()
    }

    /// The verdict on `request`: each bit is decided by the last rule that matches and names
    /// it, and is denied without one.
    pub fn decide(&self, request: &Request) -> Decision {
        decide(self.rules.iter().enumerate(), request)
    }
}

/// [`Policy::decide`] for some of a policy's rules, given in order with their places. Leaving
/// out rules that don't match `request` doesn't change the outcome.
pub fn decide<'r>(
    rules: impl DoubleEndedIterator<Item = (usize, &'r Rule)>,
    request: &Request,
) -> Decision {
    let mut bits = Access::BITS.map(|bit| BitDecision { bit, verdict: Verdict::Deny, rule: None });
    for (index, rule) in rules.rev().filter(|(_, rule)| rule.matches(request)) {
        for decision in &mut bits {
            if decision.rule.is_none() && rule.access.contains(decision.bit) {
                decision.verdict = rule.verdict;
                decision.rule = Some(index);
            }
        }
    }
    let decision = Decision { verdict: Verdict::Deny, bits };
    Decision { verdict: decision.on(request.access), ..decision }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(rules: &[&str], request: &str) -> Verdict {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Policy::new(rules, DefaultDevices::None).decide(&request.parse().unwrap()).verdict
    }

    #[test]
    fn each_bit_is_decided_by_the_last_rule_that_names_it() {
        let rules = ["allow a *:* rwm", "deny c 1:11 w", "allow c 1:11 m"];
        assert_eq!(verdict(&rules, "c 1:11 r"), Verdict::Allow);
        assert_eq!(verdict(&rules, "c 1:11 w"), Verdict::Deny);
        assert_eq!(verdict(&rules, "c 1:11 rw"), Verdict::Deny);
        assert_eq!(verdict(&rules, "c 1:11 rm"), Verdict::Allow);
        assert_eq!(verdict(&["allow c 1:3 r", "allow c 1:3 w"], "c 1:3 rw"), Verdict::Allow);
    }

    #[test]
    fn a_request_for_no_bit_passes_where_any_bit_is_allowed() {
        assert_eq!(verdict(&["allow c 1:3 m"], "c 1:3 -"), Verdict::Allow);
        assert_eq!(verdict(&["allow c 1:3 m"], "c 1:5 -"), Verdict::Deny);
        assert_eq!(verdict(&["allow c 1:3 rwm", "deny c 1:3 rwm"], "c 1:3 -"), Verdict::Deny);
    }

    #[test]
    fn access_left_out_denies_all_and_grants_nothing() {
        assert_eq!(verdict(&["allow a *:* rwm", "deny c 1:3 -"], "c 1:3 m"), Verdict::Deny);
        assert_eq!(verdict(&["allow c 1:3 -"], "c 1:3 m"), Verdict::Deny);
    }

    #[test]
    fn type_a_with_numbers_is_taken_literally() {
        assert_eq!(verdict(&["allow a 1:3 r"], "b 1:3 r"), Verdict::Allow);
        assert_eq!(verdict(&["allow a 1:3 r"], "c 1:5 r"), Verdict::Deny);
    }
}
