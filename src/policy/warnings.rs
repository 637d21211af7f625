//! Rules that are legal and can't do what their author may have meant.

use std::fmt;

use super::{Number, Origin, Policy, Rule, Verdict};

/// Linux packs a device number into 12 bits of major and 20 bits of minor (linux/kdev_t.h).
const LAST_MAJOR: u32 = (1 << 12) - 1;
const LAST_MINOR: u32 = (1 << 20) - 1;

/// A rule of the config worth a word to the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// An allow rule without access letters.
    GrantsNothing {
        /// The rule's place in `linux.resources.devices`.
        index: usize,
    },
    /// No Linux device has such a number.
    NeverMatches {
        /// The rule's place in `linux.resources.devices`.
        index: usize,
        /// The field.
        field: &'static str,
        /// Its value.
        number: u32,
        /// The largest number that exists.
        last: u32,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::GrantsNothing { index } => {
                write!(f, "linux.resources.devices[{index}]: allows no access, so it does nothing")
            }
            Warning::NeverMatches { index, field, number, last } => write!(
                f,
                "linux.resources.devices[{index}].{field}: {number} is beyond every Linux device \
                 number (0..={last}), so the rule never matches"
            ),
        }
    }
}

impl Policy {
    /// What to warn about, in the order of the config's rules.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.rules
            .iter()
            .zip(&self.origins)
            .flat_map(|(rule, origin)| match origin {
                Origin::Config(index) => of_rule(*index, rule),
                Origin::Base | Origin::Grant(_) => [None, None, None],
            })
            .flatten()
    }
}

fn of_rule(index: usize, rule: &Rule) -> [Option<Warning>; 3] {
    let beyond = |field, number, last| match number {
        Number::Exactly(number) if number > last => {
            Some(Warning::NeverMatches { index, field, number, last })
        }
        _ => None,
    };
    let grants_nothing = rule.verdict == Verdict::Allow && rule.access.is_none();
    [
        grants_nothing.then_some(Warning::GrantsNothing { index }),
        beyond("major", rule.major, LAST_MAJOR),
        beyond("minor", rule.minor, LAST_MINOR),
    ]
}
