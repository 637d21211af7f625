//! Sets of requests on their way through a program.

use super::evaluate::Fields;
use super::region::{AccessSets, Interval, Region};
use crate::device::{Access, DeviceType, Request};
use crate::policy::Verdict;

/// Which of the sixteen values of `access_type` there are: bit `access | 8 * is_char`.
pub(super) type Words = u16;

pub(super) const WORDS: u32 = 16;

/// The `access_type` that a bit of [`Words`] stands for.
pub(super) fn word(bit: u32) -> u32 {
    let (device_type, access) = pair(bit);
    Request { device_type, major: 0, minor: 0, access }.access_type()
}

fn pair(bit: u32) -> (DeviceType, Access) {
    let device_type = if bit >> 3 & 1 == 1 { DeviceType::Char } else { DeviceType::Block };
    let access = Access::every().nth((bit & 7) as usize).unwrap_or(Access::NONE);
    (device_type, access)
}

/// A number of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Major,
    Minor,
}

/// All requests with one of these words, a major and a minor out of these intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Box {
    pub major: Interval,
    pub minor: Interval,
    pub words: Words,
}

impl Box {
    /// Every request there is.
    pub(super) const ALL: Box =
        Box { major: Interval::ALL, minor: Interval::ALL, words: Words::MAX };

    /// The box of one request.
    pub(super) fn of(request: &Request) -> Box {
        let exactly = |number| Interval { first: number, last: number };
        let is_char = u32::from(request.device_type == DeviceType::Char);
        let bit = request.access.kernel_bits() | is_char << 3;
        Box { major: exactly(request.major), minor: exactly(request.minor), words: 1 << bit }
    }

    /// The fields of the only request in it; `None` if there are more.
    pub(super) fn only(&self) -> Option<Fields> {
        let Box { major, minor, words } = *self;
        let one = words.count_ones() == 1 && major.len() == 1 && minor.len() == 1;
        one.then(|| Fields {
            access_type: word(words.trailing_zeros()),
            major: major.first,
            minor: minor.first,
        })
    }

    pub(super) fn interval(&self, field: Field) -> Interval {
        match field {
            Field::Major => self.major,
            Field::Minor => self.minor,
        }
    }

    pub(super) fn with(self, field: Field, interval: Interval) -> Box {
        match field {
            Field::Major => Box { major: interval, ..self },
            Field::Minor => Box { minor: interval, ..self },
        }
    }

    /// The box as regions, one for each device type in it.
    pub(super) fn regions(self, verdict: Verdict) -> impl Iterator<Item = Region> {
        let Box { major, minor, words } = self;
        let of = |device_type, sets| Region {
            device_type,
            accesses: AccessSets(sets),
            major,
            minor,
            verdict,
        };
        let [block, character] = words.to_le_bytes();
        [of(DeviceType::Block, block), of(DeviceType::Char, character)]
            .into_iter()
            .filter(|region| !region.accesses.is_empty())
    }
}

/// Makes one box of those that differ in their words only.
pub(super) fn join(boxes: &mut Vec<Box>) {
    boxes.sort();
    boxes.dedup_by(|next, kept| {
        let same = next.major == kept.major && next.minor == kept.minor;
        if same {
            kept.words |= next.words;
        }
        same
    });
}
