//! A table as rules.
//!
//! Rules name one number or all. So for each type the answer at numbers that no rule names can
//! only come from the rule for all numbers, that of an unnamed minor of a named major only from
//! the rule for that major, and so on: which rules there have to be is settled, but for those
//! where a rule for a major and one for a minor meet. These are tried in both orders.

use std::collections::{BTreeMap, BTreeSet};

use super::DecodeError;
use super::table::{Column, Table};
use crate::analyze::{AccessSets, Interval};
use crate::device::{Access, DeviceType};
use crate::policy::{Number, Rule, TypeMatch, Verdict};

/// Numbers that are named one by one.
const MOST_RULES: usize = 1 << 17;

/// A table's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The rules, in order; they grant what is allowed bit by bit.
    pub rules: Vec<Rule>,
    /// Where that is not all: no rules say what is allowed there.
    pub irregular: Vec<Irregular>,
}

/// Devices for which a program allows what can't be said bit by bit: `rw`, say, and not `w`.
/// Only what Linux asks for counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Irregular {
    /// Their type.
    pub device_type: DeviceType,
    /// Their majors.
    pub majors: Interval,
    /// Their minors.
    pub minors: Interval,
    /// The access sets that are allowed, of those that Linux asks for.
    pub allowed: AccessSets,
}

impl Irregular {
    /// The bits that are allowed on their own, which is what the rules say.
    pub fn bits(&self) -> Access {
        bits(self.allowed)
    }
}

/// The table's rules.
///
/// # Errors
/// An interval of numbers is too long to name each of them.
pub fn decode(table: &Table) -> Result<Decoded, DecodeError> {
    let [block, character] = DeviceType::ALL.map(|device_type| {
        let grid = Grid::of(table.columns(device_type))?;
        let orders = [Order::MinorsFirst, Order::MajorsFirst].map(|order| grid.changes(order));
        let [minors, majors] = orders;
        Ok(if majors.len() < minors.len() { majors } else { minors })
    });
    let rules = merge(block?, character?);
    match rules.len() > MOST_RULES {
        true => Err(DecodeError::TooManyRules { limit: MOST_RULES }),
        false => Ok(Decoded { rules, irregular: irregular(table) }),
    }
}

fn bits(allowed: AccessSets) -> Access {
    Access::BITS
        .into_iter()
        .filter(|bit| allowed.contains(*bit))
        .fold(Access::NONE, |bits, bit| bits.union(bit))
}

fn irregular(table: &Table) -> Vec<Irregular> {
    let mut found = Vec::new();
    for device_type in DeviceType::ALL {
        for column in table.columns(device_type) {
            for (minors, allowed) in column.steps() {
                let said = AccessSets::matching(|access| bits(allowed).grants(access));
                let asked = AccessSets::ASKED;
                if allowed.and(asked) != said.and(asked) {
                    let (majors, allowed) = (column.majors, allowed.and(asked));
                    found.push(Irregular { device_type, majors, minors, allowed });
                }
            }
        }
    }
    found
}

/// A function of a number: the same for all but some.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exceptions<T> {
    otherwise: T,
    named: BTreeMap<u32, T>,
}

impl<T: Clone + PartialEq> Exceptions<T> {
    /// What the longest interval has is the rule, all else are exceptions. They are named one
    /// by one, as far as the budget goes.
    fn of(parts: Vec<(Interval, T)>, budget: &mut usize) -> Result<Exceptions<T>, DecodeError> {
        let too_many = DecodeError::TooManyRules { limit: MOST_RULES };
        let longest = parts.iter().max_by_key(|(interval, _)| interval.len());
        let otherwise = longest.map(|(_, value)| value.clone()).ok_or(too_many.clone())?;
        let mut named = BTreeMap::new();
        for (interval, value) in parts {
            if value == otherwise {
                continue;
            }
            *budget = usize::try_from(interval.len())
                .ok()
                .and_then(|length| budget.checked_sub(length))
                .ok_or(too_many.clone())?;
            named.extend((interval.first..=interval.last).map(|number| (number, value.clone())));
        }
        Ok(Exceptions { otherwise, named })
    }
}

type Minors = Exceptions<Access>;

/// One device type's answers, as exceptions from exceptions.
struct Grid(Exceptions<Minors>);

/// Which of the rules for one minor and those for one major come first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    MinorsFirst,
    MajorsFirst,
}

/// Numbers, verdict and access of a rule, without its type.
type Change = (Number, Number, Verdict, Access);

impl Grid {
    fn of(columns: &[Column]) -> Result<Grid, DecodeError> {
        let mut budget = MOST_RULES;
        let mut parts = Vec::with_capacity(columns.len());
        for column in columns {
            let minors = column.steps().map(|(minors, allowed)| (minors, bits(allowed)));
            parts.push((column.majors, Exceptions::of(joined(minors), &mut budget)?));
        }
        Ok(Grid(Exceptions::of(parts, &mut budget)?))
    }

    /// The rules as changes, level by level.
    fn changes(&self, order: Order) -> Vec<Change> {
        let all = &self.0.otherwise;
        let mut changes = Changes::default();
        changes.add((Number::Any, Number::Any), Access::NONE, all.otherwise);
        let minors = |changes: &mut Changes| {
            for (minor, wanted) in &all.named {
                changes.add((Number::Any, Number::Exactly(*minor)), all.otherwise, *wanted);
            }
        };
        let majors = |changes: &mut Changes| {
            for (major, column) in &self.0.named {
                let numbers = (Number::Exactly(*major), Number::Any);
                changes.add(numbers, all.otherwise, column.otherwise);
            }
        };
        match order {
            Order::MinorsFirst => {
                minors(&mut changes);
                majors(&mut changes);
            }
            Order::MajorsFirst => {
                majors(&mut changes);
                minors(&mut changes);
            }
        }
        for (major, column) in &self.0.named {
            self.points(&mut changes, order, *major, column);
        }
        changes.0
    }

    /// The rules for single devices of a major, where those above don't say it yet.
    fn points(&self, changes: &mut Changes, order: Order, major: u32, column: &Minors) {
        let all = &self.0.otherwise;
        let named: BTreeSet<u32> = column.named.keys().chain(all.named.keys()).copied().collect();
        for minor in named {
            let by_minor = all.named.get(&minor).copied().unwrap_or(all.otherwise);
            // What a rule names it decides; the rest stays as it is.
            let so_far = match order {
                Order::MinorsFirst => moved(by_minor, all.otherwise, column.otherwise),
                Order::MajorsFirst => moved(column.otherwise, all.otherwise, by_minor),
            };
            let wanted = column.named.get(&minor).copied().unwrap_or(column.otherwise);
            changes.add((Number::Exactly(major), Number::Exactly(minor)), so_far, wanted);
        }
    }
}

/// `bits` after the change that makes `to` of `from`.
fn moved(bits: Access, from: Access, to: Access) -> Access {
    let granted = to.without(from);
    let taken = from.without(to);
    bits.union(granted).without(taken)
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, (major, minor): (Number, Number), from: Access, to: Access) {
        let (granted, taken) = (to.without(from), from.without(to));
        if !granted.is_none() {
            self.0.push((major, minor, Verdict::Allow, granted));
        }
        if !taken.is_none() {
            self.0.push((major, minor, Verdict::Deny, taken));
        }
    }
}

/// Neighbours with the same bits become one part.
fn joined(parts: impl Iterator<Item = (Interval, Access)>) -> Vec<(Interval, Access)> {
    let mut joined: Vec<(Interval, Access)> = Vec::new();
    for (interval, bits) in parts {
        match joined.last_mut() {
            Some((last, same)) if *same == bits => last.last = interval.last,
            _ => joined.push((interval, bits)),
        }
    }
    joined
}

/// Both types' rules in one list: what both have is one rule of type `a`. Rules of different
/// types don't meet, so only each type's own order counts.
fn merge(block: Vec<Change>, character: Vec<Change>) -> Vec<Rule> {
    let rule = |device_type, (major, minor, verdict, access): Change| {
        Rule::new(verdict, device_type, major, minor, access)
    };
    let mut rules = Vec::with_capacity(block.len() + character.len());
    let mut rest = block.as_slice();
    let mut positions: BTreeMap<Change, usize> = BTreeMap::new();
    for (position, change) in block.iter().enumerate() {
        positions.insert(*change, position);
    }
    for change in character {
        let done = block.len() - rest.len();
        match positions.get(&change).filter(|position| **position >= done) {
            Some(&position) => {
                let before = &block[done..position];
                rules.extend(before.iter().map(|c| rule(TypeMatch::Only(DeviceType::Block), *c)));
                rest = &block[position + 1..];
                rules.push(rule(TypeMatch::Any, change));
            }
            None => rules.push(rule(TypeMatch::Only(DeviceType::Char), change)),
        }
    }
    rules.extend(rest.iter().map(|c| rule(TypeMatch::Only(DeviceType::Block), *c)));
    rules
}
