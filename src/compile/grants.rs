//! For one device type: which rule decides each access bit, by the numbers that rules name.

use std::collections::BTreeMap;

use crate::device::{Access, DeviceType};
use crate::policy::{Number, Policy, Rule, Verdict};

/// The last rule for each bit among rules with the same numbers, as its rank: twice its
/// 1-based place in the policy, plus 1 if it allows. So the larger rank wins, and its lowest
/// bit is the outcome; 0 is "no rule", which denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell([u32; 3]);

impl Cell {
    fn note(&mut self, place: u32, rule: &Rule) {
        let rank = (place + 1) * 2 + u32::from(rule.verdict() == Verdict::Allow);
        for (slot, bit) in self.0.iter_mut().zip(Access::BITS) {
            if rule.access().contains(bit) {
                *slot = rank;
            }
        }
    }

    /// Both cells' rules together.
    pub(super) fn with(self, other: Cell) -> Cell {
        let [a, b, c] = self.0;
        let [x, y, z] = other.0;
        Cell([a.max(x), b.max(y), c.max(z)])
    }

    /// For r, w and m.
    pub(super) fn ranks(self) -> [u32; 3] {
        self.0
    }

    /// Whether no rule decides anything here.
    pub(super) fn is_empty(self) -> bool {
        self == Cell::default()
    }

    /// The bits that are allowed.
    pub(super) fn allowed(self) -> Access {
        self.0
            .into_iter()
            .zip(Access::BITS)
            .filter(|(rank, _)| rank & 1 == 1)
            .fold(Access::NONE, |allowed, (_, bit)| allowed.union(bit))
    }
}

/// What is said of the minors of one major, or of every major.
#[derive(Debug, Default)]
pub(super) struct Minors {
    /// By rules for any minor.
    pub any: Cell,
    /// By rules for one minor.
    pub named: BTreeMap<u32, Cell>,
}

impl Minors {
    fn cell(&mut self, minor: Number) -> &mut Cell {
        match minor {
            Number::Any => &mut self.any,
            Number::Exactly(minor) => self.named.entry(minor).or_default(),
        }
    }

    /// The rules for exactly this minor; empty if there are none.
    pub(super) fn at(&self, minor: u32) -> Cell {
        self.named.get(&minor).copied().unwrap_or_default()
    }

    /// At most how many minors of a major with these rules have an outcome of their own, given
    /// the rules for every major; all others count as one.
    pub(super) fn points(&self, every_major: &Minors) -> usize {
        self.named.len() + if self.any.is_empty() { 0 } else { every_major.named.len() + 1 }
    }
}

/// A policy's rules for one device type.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// By rules for any major.
    pub any: Minors,
    /// By rules for one major.
    pub named: BTreeMap<u32, Minors>,
}

impl Grants {
    pub(super) fn of(policy: &Policy, device_type: DeviceType) -> Grants {
        let mut grants = Grants::default();
        for (place, rule) in (0..).zip(policy.rules()) {
            if !rule.device_type().matches(device_type) || rule.access().is_none() {
                continue;
            }
            let minors = match rule.major() {
                Number::Any => &mut grants.any,
                Number::Exactly(major) => grants.named.entry(major).or_default(),
            };
            minors.cell(rule.minor()).note(place, rule);
        }
        grants
    }

    /// At most how many (major, minor) pairs have an outcome of their own.
    pub(super) fn points(&self) -> usize {
        let own = |minors: &Minors| minors.points(&self.any);
        self.any.named.len() + self.named.values().map(own).sum::<usize>()
    }
}
