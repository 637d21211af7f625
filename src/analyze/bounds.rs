//! What can be said of a value, or of a condition, for an interval of numbers at once.

use crate::bpf::{AluOp, Cond, Width};

/// What values there may be: none below `min`, none above `max`, none with a bit that is not in
/// `bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    min: u64,
    max: u64,
    bits: u64,
}

impl Bounds {
    pub(super) fn exactly(value: u64) -> Bounds {
        Bounds { min: value, max: value, bits: value }
    }

    pub(super) fn between(min: u64, max: u64) -> Bounds {
        Bounds { min, max, bits: min | differing(min, max) }
    }

    fn any(width: Width) -> Bounds {
        Bounds::between(0, largest(width))
    }

    /// The bits in which values may differ.
    fn unknown_bits(self) -> u64 {
        differing(self.min, self.max) & self.bits
    }

    /// Of the lower 32 bits, or of all.
    pub(super) fn cut(self, width: Width) -> Bounds {
        let largest = largest(width);
        if self.max <= largest {
            self
        } else if self.min >> 32 == self.max >> 32 {
            let (min, max) = (self.min & largest, self.max & largest);
            Bounds { min, max, bits: self.bits & largest }
        } else {
            Bounds { min: 0, max: largest & self.bits, bits: largest & self.bits }
        }
    }
}

/// The bits in which numbers from one to the other may differ: above the highest in which the two
/// do, all are as they are.
fn differing(min: u64, max: u64) -> u64 {
    u64::MAX.checked_shr((min ^ max).leading_zeros()).unwrap_or(0)
}

fn largest(width: Width) -> u64 {
    match width {
        Width::W32 => u64::from(u32::MAX),
        Width::W64 => u64::MAX,
    }
}

/// Bounds of `a op b`, both of this width.
pub(super) fn alu_bounds(op: AluOp, width: Width, a: Bounds, b: Bounds) -> Bounds {
    let found = match op {
        AluOp::Mov => Some(b),
        AluOp::And | AluOp::Or | AluOp::Xor => Some(bitwise(op, width, a, b)),
        AluOp::Add => same_turn(width, wide(a.min) + wide(b.min), wide(a.max) + wide(b.max)),
        AluOp::Mul => same_turn(width, product(a.min, b.min), product(a.max, b.max)),
        AluOp::Sub => {
            // One turn up, so that nothing is below 0.
            let turn = 1 << bits(width);
            same_turn(width, turn + wide(a.min) - wide(b.max), turn + wide(a.max) - wide(b.min))
        }
        AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => shift(op, width, a, b),
    };
    found.unwrap_or(Bounds::any(width))
}

fn bits(width: Width) -> u32 {
    match width {
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

fn wide(value: u64) -> u128 {
    u128::from(value)
}

fn product(a: u64, b: u64) -> u128 {
    wide(a) * wide(b)
}

/// The bounds of what is between two results before they are cut to the width: there are some
/// if all of that loses the same number of turns.
fn same_turn(width: Width, min: u128, max: u128) -> Option<Bounds> {
    let cut = |value: u128| value as u64 & largest(width);
    (min >> bits(width) == max >> bits(width)).then(|| Bounds::between(cut(min), cut(max)))
}

fn bitwise(op: AluOp, width: Width, a: Bounds, b: Bounds) -> Bounds {
    let unknown = a.unknown_bits() | b.unknown_bits();
    let known = op.apply(width, a.min & !unknown, b.min & !unknown) & !unknown;
    let may = match op {
        AluOp::And => a.bits & b.bits,
        _ => a.bits | b.bits,
    };
    let bits = known | (unknown & may);
    Bounds { min: known, max: bits, bits }
}

fn shift(op: AluOp, width: Width, a: Bounds, b: Bounds) -> Option<Bounds> {
    let modulus = u64::from(bits(width));
    if b.min / modulus != b.max / modulus {
        return None;
    }
    let (least, most) = (b.min % modulus, b.max % modulus);
    match op {
        AluOp::Lsh => {
            let mut found = same_turn(width, wide(a.min) << least, wide(a.max) << most)?;
            if least == most {
                found.bits &= (a.bits << least) & largest(width);
            }
            Some(found)
        }
        AluOp::Rsh => {
            let mut found = Bounds::between(a.min >> most, a.max >> least);
            if least == most {
                found.bits &= a.bits >> least;
            }
            Some(found)
        }
        // Of values of one sign, by one count.
        _ if least == most && one_sign(width, a) => {
            let of = |value| op.apply(width, value, least);
            Some(Bounds::between(of(a.min), of(a.max)))
        }
        _ => None,
    }
}

fn one_sign(width: Width, bounds: Bounds) -> bool {
    let half = largest(width) >> 1;
    bounds.max <= half || bounds.min > half
}

/// The condition's outcome, if it is the same for all values within the bounds.
pub(super) fn decided(cond: Cond, width: Width, a: Bounds, b: Bounds) -> Option<bool> {
    let (a, b) = (a.cut(width), b.cut(width));
    let not = |outcome: Option<bool>| outcome.map(|holds| !holds);
    match cond {
        Cond::Eq => equal(a, b),
        Cond::Ne => not(equal(a, b)),
        Cond::Lt => less(a, b),
        Cond::Ge => not(less(a, b)),
        Cond::Gt => less(b, a),
        Cond::Le => not(less(b, a)),
        Cond::Set => {
            let common = bitwise(AluOp::And, width, a, b);
            match (common.min, common.max) {
                (0, 0) => Some(false),
                (0, _) => None,
                _ => Some(true),
            }
        }
        Cond::SLt => less_signed(width, a, b),
        Cond::SGe => not(less_signed(width, a, b)),
        Cond::SGt => less_signed(width, b, a),
        Cond::SLe => not(less_signed(width, b, a)),
    }
}

fn equal(a: Bounds, b: Bounds) -> Option<bool> {
    let needs =
        |exact: Bounds, other: Bounds| exact.min == exact.max && exact.min & !other.bits != 0;
    if a.max < b.min || b.max < a.min || needs(a, b) || needs(b, a) {
        Some(false)
    } else if a.min == a.max && b.min == b.max {
        Some(true)
    } else {
        None
    }
}

fn less(a: Bounds, b: Bounds) -> Option<bool> {
    if a.max < b.min {
        Some(true)
    } else if a.min >= b.max {
        Some(false)
    } else {
        None
    }
}

/// With its sign bit turned over, a signed number's order is the unsigned one.
fn less_signed(width: Width, a: Bounds, b: Bounds) -> Option<bool> {
    let sign = (largest(width) >> 1) + 1;
    let turned = |bounds: Bounds| Bounds::between(bounds.min ^ sign, bounds.max ^ sign);
    (one_sign(width, a) && one_sign(width, b)).then(|| less(turned(a), turned(b)))?
}
