//! Rules that are legal and can't do what their author may have meant.

use std::fmt;

use super::{Number, Origin, Policy, Rule, Verdict};

/// Linux packs a device number into 12 bits of major and 20 bits of minor (linux/kdev_t.h).
const LAST_MAJOR: u32 = (1 << 12) - 1;
const LAST_MINOR: u32 = (1 << 20) - 1;

/// How many warnings are told one by one: a document may give cause for a million.
const MOST_TOLD: usize = 20;

/// The first few of what there is to warn about, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T> {
    told: Vec<T>,
    more: usize,
}

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few { told: Vec::new(), more: 0 }
    }
}

impl<T> Few<T> {
    /// Adds one, or counts it if there are enough.
    pub fn push(&mut self, one: T) {
        match self.told.len() {
            told if told < MOST_TOLD => self.told.push(one),
            _ => self.more += 1,
        }
    }

    /// How many there are in all.
    pub fn count(&self) -> usize {
        self.told.len() + self.more
    }

    /// The same with each of those that are told made something else.
    pub fn map<U>(self, to: impl FnMut(T) -> U) -> Few<U> {
        Few { told: self.told.into_iter().map(to).collect(), more: self.more }
    }

    /// Adds those of another, which come after these.
    pub fn append(&mut self, other: Few<T>) {
        for one in other.told {
            self.push(one);
        }
        self.more += other.more;
    }
}

impl<T: fmt::Display> Few<T> {
    /// A line for each that is told, and `and N more` if there are more.
    pub fn lines(&self) -> Vec<String> {
        let told = self.told.iter().map(T::to_string);
        told.chain((self.more > 0).then(|| format!("and {} more", self.more))).collect()
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Few<T> {
        let mut few = Few::default();
        all.into_iter().for_each(|one| few.push(one));
        few
    }
}

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
                Origin::Base => [None, None, None],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_are_told_and_the_others_counted() {
        let few = |count: usize| (0..count).collect::<Few<usize>>();
        assert_eq!(few(0).lines(), [""; 0]);
        assert_eq!(few(20).lines().last().unwrap(), "19");
        let lines = few(21).lines();
        assert_eq!((lines.len(), lines[20].as_str()), (21, "and 1 more"));
    }

    #[test]
    fn those_of_another_come_after_and_count_alike() {
        let mut few: Few<usize> = (0..15).collect();
        few.append((0..40).collect());
        let lines = few.lines();
        assert_eq!(lines[15..].join(" "), "0 1 2 3 4 and 35 more");
    }
}
