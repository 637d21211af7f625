//! Which techniques are tried for a policy.

use super::dag::Field;
use super::grants::Grants;
use super::tree::MOST_UNALIGNED;

/// Bit tests of major and minor, as they are tried.
const BITS: [(bool, bool); 4] = [(false, true), (false, false), (true, true), (true, false)];
/// A chain of comparisons does for fewer majors.
const LEAST_MAJORS_FOR_BITS: usize = 8;
/// With more points than this, setting up a bit test is always earned back, and trying the other
/// styles costs more than they could save.
const MOST_POINTS_TRIED: usize = 256;
/// A policy with more points than this (majors times minors, at worst) is only tried with
/// aligned cuts: without them, their nodes may be as many.
const MOST_POINTS_UNALIGNED: usize = 100_000;

/// Which techniques a candidate uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    major_bits: bool,
    minor_bits: bool,
    /// Whether large functions of the minor are cut at aligned numbers.
    pub(super) aligned: bool,
}

impl Style {
    /// What is worth trying: setting up a bit test takes two instructions, which a small
    /// policy may not earn back, and aligned cuts pay only where functions are alike.
    pub(super) fn candidates(grants: &[Grants; 2]) -> Vec<Style> {
        let large = |grants: &Grants| {
            let named = grants.named.values().map(|minors| minors.points(&grants.any));
            let all = named.chain([grants.any.named.len()]);
            all.filter(|points| *points > MOST_UNALIGNED).count()
        };
        let large: usize = grants.iter().map(large).sum();
        let majors = grants.iter().map(|grants| grants.named.len()).max().unwrap_or(0);
        let points: usize = grants.iter().map(Grants::points).sum();
        let mut styles = Vec::new();
        for aligned in [true, false] {
            let worth =
                if large < 2 { !aligned } else { aligned || points <= MOST_POINTS_UNALIGNED };
            if !worth {
                continue;
            }
            let many_majors = majors >= LEAST_MAJORS_FOR_BITS;
            for (major_bits, minor_bits) in BITS {
                let worth = match points <= MOST_POINTS_TRIED {
                    true => !major_bits || many_majors,
                    false => (major_bits, minor_bits) == (many_majors, true),
                };
                if worth {
                    styles.push(Style { major_bits, minor_bits, aligned });
                }
            }
        }
        styles
    }

    /// Whether numbers of this field may be tested by their bits.
    pub(super) fn bits(self, field: Field) -> bool {
        match field {
            Field::Major => self.major_bits,
            Field::Minor => self.minor_bits,
        }
    }
}
