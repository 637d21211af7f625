//! Why a program answers as it does: the rules that decide.

use std::fmt;

use crate::device::{Access, Request};
use crate::inspect::{Answer, Meaning};
use crate::policy::{Decision, Origin, Policy, Rule, Verdict, decide};

/// What makes a program answer a request as it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Rules: for each, the bits of the request that it decides.
    Rules(Vec<Decided>),
    /// The program lets pass for this device what no rules can say, `rw` and not `w`, for example.
    NoRules,
    /// The program can't be decoded as a whole.
    Opaque(String),
}

/// A rule, and what it decides of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The bits.
    pub access: Access,
    /// The rule; without one the bits are denied.
    pub rule: Option<Rule>,
    /// Where the rule comes from; `None` if it was decoded from the program.
    pub origin: Option<Origin>,
}

impl fmt::Display for Why {
    /// In few words: `deny a *:* rwm (devices[0])`, or `no rule allows w`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Rules(rules) => {
                for (place, decided) in rules.iter().enumerate() {
                    f.write_str(if place == 0 { "" } else { "; " })?;
                    decided.fmt(f)?;
                }
                Ok(())
            }
            Why::NoRules => f.write_str("no rules can say what the program allows"),
            Why::Opaque(why) => write!(f, "its rules can't be told: {why}"),
        }
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.rule, self.origin) {
            (None, _) => write!(f, "no rule allows {}", self.access),
            (Some(rule), None) => write!(f, "{rule}"),
            (Some(rule), Some(origin)) => write!(f, "{rule} ({origin})"),
        }
    }
}

/// The policy's rules that decide `request`.
pub fn of_policy(policy: &Policy, request: &Request) -> Why {
    let rule = |index| Some((*policy.rules().get(index)?, policy.origin(index)));
    Why::Rules(deciding(&policy.decide(request), request.access, rule))
}

/// The rules, decoded from a program, that make it answer like this.
pub(super) fn of_program(meaning: &Meaning, answer: &Answer, request: &Request) -> Why {
    let decoded = match &meaning.decoded {
        Ok(decoded) => decoded,
        Err(opaque) => return Why::Opaque(opaque.to_string()),
    };
    let decision = decide(decoded.rules.iter().enumerate(), request);
    match (decision.verdict, answer) {
        (Verdict::Allow, Answer::Allows) | (Verdict::Deny, Answer::Denies) => {
            let rule = |index| Some((*decoded.rules.get(index)?, None));
            Why::Rules(deciding(&decision, request.access, rule))
        }
        _ => Why::NoRules,
    }
}

/// The rules of those bits that make the verdict. Bits of one rule are one.
fn deciding(
    decision: &Decision,
    wanted: Access,
    rule: impl Fn(usize) -> Option<(Rule, Option<Origin>)>,
) -> Vec<Decided> {
    let mut all: Vec<Decided> = Vec::new();
    for bit in decision.relevant(wanted).filter(|bit| bit.verdict == decision.verdict) {
        let found = bit.rule.and_then(&rule);
        let (rule, origin) = found.map_or((None, None), |(rule, origin)| (Some(rule), origin));
        match all.iter_mut().find(|known| (known.rule, known.origin) == (rule, origin)) {
            Some(known) => known.access = known.access.union(bit.bit),
            None => all.push(Decided { access: bit.bit, rule, origin }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::DefaultDevices;

    fn why(rules: &[&str], defaults: DefaultDevices, request: &str) -> String {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        of_policy(&Policy::new(rules, defaults), &request.parse().unwrap()).to_string()
    }

    #[test]
    fn the_rules_of_the_bits_that_are_denied_are_told() {
        let rules = ["allow a *:* rwm", "deny c 1:11 w"];
        let none = DefaultDevices::None;
        assert_eq!(why(&rules, none, "c 1:11 rw"), "deny c 1:11 w (devices[1])");
        assert_eq!(why(&rules, none, "c 1:11 r"), "allow a *:* rwm (devices[0])");
        assert_eq!(why(&["allow c 1:3 r"], none, "c 1:3 rw"), "no rule allows w");
        assert_eq!(why(&[], none, "c 1:3 rw"), "no rule allows rw");
        assert_eq!(why(&[], none, "c 1:3 -"), "no rule allows rwm");
        assert_eq!(why(&[], DefaultDevices::Base, "c 1:3 r"), "allow c 1:3 rwm (base default)");
        let two = ["deny c 1:11 w", "deny c 1:11 m"];
        let told = "deny c 1:11 w (devices[0]); deny c 1:11 m (devices[1])";
        assert_eq!(why(&two, none, "c 1:11 wm"), told);
    }
}
