//! What was changed in a container's rules. It is a part of the record, so that a change and its
//! entry are written in one step, and bounded, so that the record stays small.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::time::Time;
use super::user::User;
use crate::policy::Rule;

/// Most changes that are kept. Older ones are only counted.
pub const LONGEST_HISTORY: usize = 100;

/// Most rules of one list that are kept.
pub const LONGEST_LIST: usize = 1_000;

/// The latest changes, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// How many older changes are not kept.
    dropped: u64,
    changes: VecDeque<Change>,
}

/// Which command made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// `grant`.
    Grant,
    /// `revoke`.
    Revoke,
    /// `update`.
    Update,
    /// A grant's time ended.
    Expire,
    /// Kept grants were applied to a container that started.
    Keep,
}

/// One change. Rules that `before` and `after` begin with in common are only counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When.
    pub time: Time,
    /// Who.
    pub user: User,
    /// By what.
    pub action: Action,
    /// How many rules before those of `before` and `after` stayed the same.
    pub same: usize,
    /// The rules before, without these.
    pub before: RuleList,
    /// The rules after, without these.
    pub after: RuleList,
}

/// Rules, or the first of very many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleList {
    /// At most [`LONGEST_LIST`] rules, as text.
    #[serde(with = "texts")]
    pub rules: Vec<Rule>,
    /// How many more there were.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub omitted: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl RuleList {
    fn new(rules: &[Rule]) -> RuleList {
        let (kept, omitted) = rules.split_at(rules.len().min(LONGEST_LIST));
        RuleList { rules: kept.to_vec(), omitted: omitted.len() }
    }
}

impl Change {
    /// A change from `before` to `after`, all the rules that a policy is made from.
    pub fn new(action: Action, user: User, time: Time, before: &[Rule], after: &[Rule]) -> Change {
        let pairs = before.iter().zip(after);
        let same = pairs.take_while(|(before, after)| before == after).count();
        let rest = |rules: &[Rule]| RuleList::new(rules.get(same..).unwrap_or_default());
        Change { time, user, action, same, before: rest(before), after: rest(after) }
    }
}

impl History {
    /// The changes that are kept, oldest first.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = &Change> {
        self.changes.iter()
    }

    /// How many older changes are not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds a change, and drops the oldest beyond [`LONGEST_HISTORY`].
    pub fn add(&mut self, change: Change) {
        self.changes.push_back(change);
        while self.changes.len() > LONGEST_HISTORY {
            self.changes.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

/// Rules as `allow c 1:3 rwm`.
mod texts {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::policy::Rule;

    pub fn serialize<S: Serializer>(rules: &[Rule], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rules.iter().map(Rule::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Rule>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<Rule> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn change(before: &[Rule], after: &[Rule]) -> Change {
        let user = User { uid: 0, name: None };
        Change::new(Action::Update, user, Time::now(), before, after)
    }

    #[test]
    fn what_stays_the_same_is_only_counted() {
        let before = rules(&["deny a *:* rwm", "allow c 1:3 r", "allow c 10:229 r"]);
        let after = rules(&["deny a *:* rwm", "allow c 1:3 r", "deny c 1:3 r", "allow b 8:0 r"]);
        let change = change(&before, &after);
        assert_eq!(change.same, 2);
        assert_eq!(change.before.rules, before[2..]);
        assert_eq!(change.after.rules, after[2..]);
        let json = serde_json::to_value(&change).unwrap();
        assert_eq!(json["after"]["rules"][0], "deny c 1:3 r");
        assert_eq!(serde_json::from_value::<Change>(json).unwrap(), change);
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let many = vec!["allow c 1:3 r".parse().unwrap(); LONGEST_LIST + 5];
        let change = change(&many, &[]);
        assert_eq!((change.before.rules.len(), change.before.omitted), (LONGEST_LIST, 5));
        assert_eq!(change.after, RuleList::default());
    }

    #[test]
    fn old_changes_are_dropped_and_counted() {
        let mut history = History::default();
        for minor in 0..LONGEST_HISTORY as u32 + 3 {
            let after = rules(&[&format!("allow c 1:{minor} r")]);
            history.add(change(&[], &after));
        }
        assert_eq!((history.changes().len(), history.dropped()), (LONGEST_HISTORY, 3));
        let oldest = history.changes().next().unwrap();
        assert_eq!(oldest.after.rules, rules(&["allow c 1:3 r"]));
    }
}
