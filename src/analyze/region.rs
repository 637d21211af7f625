//! What an analysis is made of.

use crate::device::{Access, DeviceType, Request};
use crate::policy::Verdict;

/// The numbers from `first` to `last`, both included; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// Smallest number.
    pub first: u32,
    /// Largest number.
    pub last: u32,
}

impl Interval {
    /// Every number.
    pub const ALL: Interval = Interval { first: 0, last: u32::MAX };

    /// How many numbers there are, 1..=2^32.
    pub const fn len(self) -> u64 {
        self.last as u64 - self.first as u64 + 1
    }

    /// Never: there is always a number.
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Whether `number` is one of them.
    pub const fn contains(self, number: u32) -> bool {
        self.first <= number && number <= self.last
    }

    /// The numbers of both, if there are any.
    pub fn intersect(self, other: Interval) -> Option<Interval> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Interval { first, last })
    }
}

/// A set of access sets: which of the eight combinations of r, w and m (none included).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessSets(pub(super) u8);

impl AccessSets {
    /// Those that Linux asks for: none, r, w and rw by opening, m alone by mknod
    /// (include/linux/device_cgroup.h). A program may answer to the others as it likes.
    pub const ASKED: AccessSets = AccessSets(1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 6);

    /// All eight.
    pub const ALL: AccessSets = AccessSets(u8::MAX);

    /// None of the eight.
    pub const NONE: AccessSets = AccessSets(0);

    /// Those for which `holds` says so.
    pub fn matching(holds: impl Fn(Access) -> bool) -> AccessSets {
        let sets = Access::every().filter(|access| holds(*access));
        AccessSets(sets.fold(0, |sets, access| sets | 1 << access.kernel_bits()))
    }

    /// Those in both.
    pub const fn and(self, other: AccessSets) -> AccessSets {
        AccessSets(self.0 & other.0)
    }

    /// Those in either.
    pub const fn or(self, other: AccessSets) -> AccessSets {
        AccessSets(self.0 | other.0)
    }

    /// The others of the eight.
    pub const fn complement(self) -> AccessSets {
        AccessSets(!self.0)
    }

    /// The combinations, by their kernel bits.
    pub fn iter(self) -> impl Iterator<Item = Access> {
        Access::every().filter(move |access| self.contains(*access))
    }

    /// Whether this combination is one of them.
    pub const fn contains(self, access: Access) -> bool {
        self.0 >> access.kernel_bits() & 1 == 1
    }

    /// How many there are, 0..=8.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Requests with one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Their device type.
    pub device_type: DeviceType,
    /// The combinations of access bits.
    pub accesses: AccessSets,
    /// Their majors.
    pub major: Interval,
    /// Their minors.
    pub minor: Interval,
    /// What the program answers.
    pub verdict: Verdict,
}

impl Region {
    /// Whether `request` is one of them.
    pub fn contains(&self, request: &Request) -> bool {
        self.device_type == request.device_type
            && self.accesses.contains(request.access)
            && self.major.contains(request.major)
            && self.minor.contains(request.minor)
    }

    /// How many requests there are.
    pub fn size(&self) -> u128 {
        let numbers = u128::from(self.major.len()) * u128::from(self.minor.len());
        u128::from(self.accesses.len()) * numbers
    }
}
