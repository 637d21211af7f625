//! A policy, held against what was asked.

use std::collections::BTreeSet;

use super::asked::Asked;
use super::learn::{Denied, Learnt, learn, policy};
use crate::device::{Access, DeviceType, Request};
use crate::policy::{Decision, Number, Policy, Rule, TypeMatch, Verdict};

/// What a rule of a policy allows and nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// The rule's place in [`Policy::rules`].
    pub index: usize,
    /// The rule, with only the bits and the type that are not used.
    pub rule: Rule,
    /// Of a rule for several devices: those that were asked for, with the bits.
    pub used: Vec<Rule>,
}

/// A request that a policy denies.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What was asked when it was recorded, and what the answer was then.
    pub asked: Asked,
    /// What the policy says.
    pub decision: Decision,
}

/// Where a policy and a recording differ.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// What is allowed and was not asked for. Each bit of each device that the policy allows and
    /// no allowed request named is here, at the rule that decides it.
    pub unused: Vec<Unused>,
    /// What was asked for and is denied.
    pub refused: Vec<Refused>,
}

impl Difference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.unused.is_empty() && self.refused.is_empty()
    }
}

/// Compares. Requests that were denied when they were recorded do not make a rule a used one.
pub fn diff(config: &Policy, asked: &[Asked]) -> Difference {
    let learnt = learn(asked, Denied::LeaveOut);
    let used = policy(&learnt);
    let others = Others::new(config, &learnt);
    let mut difference = Difference::default();
    for (index, rule) in config.rules().iter().enumerate() {
        if rule.verdict() == Verdict::Allow {
            difference.unused.extend(unused(config, index, rule, &used, &others));
        }
    }
    for asked in asked {
        let decision = config.decide(&asked.request);
        if decision.verdict == Verdict::Deny {
            difference.refused.push(Refused { asked: asked.clone(), decision });
        }
    }
    difference
}

/// Numbers that no rule names: what holds for them holds for all such numbers.
struct Others {
    major: u32,
    minor: u32,
}

impl Others {
    fn new(config: &Policy, learnt: &[Learnt]) -> Others {
        let rules = || config.rules().iter().chain(learnt.iter().map(|learnt| &learnt.rule));
        Others { major: other(rules().map(Rule::major)), minor: other(rules().map(Rule::minor)) }
    }
}

fn other(numbers: impl Iterator<Item = Number>) -> u32 {
    let named: BTreeSet<u32> = numbers
        .filter_map(|number| match number {
            Number::Exactly(number) => Some(number),
            Number::Any => None,
        })
        .collect();
    (0..=u32::MAX).rev().find(|number| !named.contains(number)).unwrap_or_default()
}

/// What the rule decides at devices that nobody asked for. A rule for all numbers that is not
/// overruled everywhere decides at those that no rule names, so one request stands for all.
fn unused(
    config: &Policy,
    index: usize,
    rule: &Rule,
    used: &Policy,
    others: &Others,
) -> Vec<Unused> {
    let unused_bits = |device_type| {
        let (major, minor) =
            (exactly(rule.major(), others.major), exactly(rule.minor(), others.minor));
        let request = Request { device_type, major, minor, access: Access::NONE };
        let decision = config.decide(&request);
        let decided = decision.bits.iter().filter(|bit| bit.rule == Some(index));
        let allowed = decided.fold(Access::NONE, |bits, bit| bits.union(bit.bit));
        let used = used.decide(&request);
        let used = used.bits.iter().filter(|bit| bit.verdict == Verdict::Allow);
        used.fold(allowed, |bits, bit| bits.without(bit.bit))
    };
    let types = DeviceType::ALL.into_iter().rev().filter(|t| rule.device_type().matches(*t));
    let mut found: Vec<(TypeMatch, Access)> =
        types.map(|t| (TypeMatch::Only(t), unused_bits(t))).collect();
    if let [(_, of_char), (_, of_block)] = found[..]
        && of_char == of_block
    {
        found = vec![(TypeMatch::Any, of_char)];
    }
    found.retain(|(_, bits)| !bits.is_none());
    let unused = |(device_type, bits)| {
        let (major, minor) = (rule.major(), rule.minor());
        let rule = Rule::new(Verdict::Allow, device_type, major, minor, bits);
        Unused { index, rule, used: used_of(config, index, &rule, used, others) }
    };
    found.into_iter().map(unused).collect()
}

/// The devices that were asked for and that this rule allows, with the bits that it lists.
fn used_of(
    config: &Policy,
    index: usize,
    rule: &Rule,
    used: &Policy,
    others: &Others,
) -> Vec<Rule> {
    if rule.major() != Number::Any && rule.minor() != Number::Any {
        return Vec::new();
    }
    let of = |learnt: &Rule| {
        let (TypeMatch::Only(device_type), Number::Exactly(major)) =
            (learnt.device_type(), learnt.major())
        else {
            return None;
        };
        // All pseudo terminals were asked for, of which the rule may be for one.
        let minor = match learnt.minor() {
            Number::Any => rule.minor(),
            minor => minor,
        };
        let request = Request {
            device_type,
            major,
            minor: exactly(minor, others.minor),
            access: Access::NONE,
        };
        let decision = rule.matches(&request).then(|| config.decide(&request))?;
        let bits = decision.bits.iter().filter(|bit| {
            bit.rule == Some(index)
                && rule.access().contains(bit.bit)
                && learnt.access().contains(bit.bit)
        });
        let bits = bits.fold(Access::NONE, |bits, bit| bits.union(bit.bit));
        let rule = Rule::new(Verdict::Allow, learnt.device_type(), learnt.major(), minor, bits);
        (!bits.is_none()).then_some(rule)
    };
    used.rules().iter().filter_map(of).collect()
}

fn exactly(number: Number, other: u32) -> u32 {
    match number {
        Number::Exactly(number) => number,
        Number::Any => other,
    }
}
