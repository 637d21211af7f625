//! Rules as text: `allow c 1:3 rwm`, with `a` for both types and `*` for any number.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Number, Origin, Rule, TypeMatch, Verdict};
use crate::device::{Access, DeviceType};

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Any => f.write_str("*"),
            Number::Exactly(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for TypeMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeMatch::Any => f.write_str("a"),
            TypeMatch::Only(device_type) => write!(f, "{device_type}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { verdict, device_type, major, minor, access } = self;
        write!(f, "{verdict} {device_type} {major}:{minor} {access}")
    }
}

impl fmt::Display for Origin {
    /// `devices[4]`, `base default` or `grants[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Config(index) => write!(f, "devices[{index}]"),
            Origin::Base => f.write_str("base default"),
            Origin::Grant(index) => write!(f, "grants[{index}]"),
        }
    }
}

/// A text that is no rule.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not a rule (expected like 'allow c 1:3 rwm')")]
pub struct RuleError(String);

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        parse(text).ok_or_else(|| RuleError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Rule> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [verdict, device_type, numbers, access] = words[..] else { return None };
    let (major, minor) = numbers.split_once(':')?;
    let number = |text: &str| match text {
        "*" => Some(Number::Any),
        digits => digits.parse().ok().map(Number::Exactly),
    };
    Some(Rule::new(
        match verdict {
            "allow" => Verdict::Allow,
            "deny" => Verdict::Deny,
            _ => return None,
        },
        match device_type {
            "a" => TypeMatch::Any,
            "b" => TypeMatch::Only(DeviceType::Block),
            "c" => TypeMatch::Only(DeviceType::Char),
            _ => return None,
        },
        number(major)?,
        number(minor)?,
        match access {
            "-" => Access::NONE,
            letters => letters.parse().ok()?,
        },
    ))
}
