//! Where a condition holds: for which words, or for which numbers of an interval.

use super::boxes::{Field, WORDS, Words, word};
use super::region::Interval;
use super::values::{Depends, Expr, Fields, ValueId, Values};
use crate::bpf::{AluOp, Cond, CtxField, Width};

/// Intervals that one condition may cut an interval into.
pub(super) const MOST_INTERVALS: usize = 1 << 16;

/// `a cond b` in a width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    pub cond: Cond,
    pub width: Width,
    pub a: ValueId,
    pub b: ValueId,
}

/// What a condition's outcome hangs on.
pub(super) enum Tests {
    Nothing(bool),
    Words(Words),
    Number(Field),
    Mix,
}

/// Too many intervals.
pub(super) struct Fragmented;

impl Condition {
    pub(super) fn tests(&self, values: &Values) -> Tests {
        match values.depends(self.a).union(values.depends(self.b)) {
            Depends { word: false, major: false, minor: false } => {
                Tests::Nothing(self.holds(values, Fields::default()))
            }
            Depends { word: true, major: false, minor: false } => {
                let holds = |bit: &u32| {
                    self.holds(values, Fields { access_type: word(*bit), ..Fields::default() })
                };
                Tests::Words((0..WORDS).filter(holds).fold(0, |words, bit| words | 1 << bit))
            }
            Depends { word: false, major: true, minor: false } => Tests::Number(Field::Major),
            Depends { word: false, major: false, minor: true } => Tests::Number(Field::Minor),
            _ => Tests::Mix,
        }
    }

    fn holds(&self, values: &Values, fields: Fields) -> bool {
        let (a, b) = (values.value(self.a, fields), values.value(self.b, fields));
        self.cond.holds(self.width, a, b)
    }

    /// Cuts `numbers` of `field` into intervals, in order, each with whether the condition
    /// holds for all its numbers or for none.
    pub(super) fn cut(
        &self,
        values: &Values,
        field: Field,
        numbers: Interval,
    ) -> Result<Vec<(Interval, bool)>, Fragmented> {
        let mut cuts = Cuts(Vec::new());
        if let Some(steps) = self.steps(values) {
            // The outcome changes only at these numbers.
            let mut first = numbers.first;
            for step in steps.into_iter().flatten() {
                if numbers.first < step && step <= numbers.last {
                    let part = Interval { first, last: step - 1 };
                    cuts.push(part, self.holds(values, Fields::of(field, first)))?;
                    first = step;
                }
            }
            let part = Interval { first, last: numbers.last };
            cuts.push(part, self.holds(values, Fields::of(field, first)))?;
        } else {
            self.halve(values, field, numbers, &mut cuts)?;
        }
        Ok(cuts.0)
    }

    /// For a plain field against a constant, unsigned or for equality: at most two numbers,
    /// in order, where the outcome changes.
    fn steps(&self, values: &Values) -> Option<[Option<u32>; 2]> {
        let Expr::Load(CtxField::Major | CtxField::Minor) = values.expr(self.a) else {
            return None;
        };
        let Expr::Constant(constant) = values.expr(self.b) else { return None };
        let constant = match self.width {
            Width::W32 => constant as u32,
            // A field never reaches a constant beyond 32 bits.
            Width::W64 => match u32::try_from(constant) {
                Ok(constant) => constant,
                Err(_) if matches!(self.cond, Cond::Eq | Cond::Ne) => return Some([None; 2]),
                Err(_) => return None,
            },
        };
        match self.cond {
            Cond::Eq | Cond::Ne => Some([Some(constant), constant.checked_add(1)]),
            Cond::Gt | Cond::Le => Some([constant.checked_add(1), None]),
            Cond::Ge | Cond::Lt => Some([Some(constant), None]),
            _ => None,
        }
    }

    /// Halves the numbers, at multiples of powers of two, until each part is decided.
    fn halve(
        &self,
        values: &Values,
        field: Field,
        numbers: Interval,
        cuts: &mut Cuts,
    ) -> Result<(), Fragmented> {
        let decided = match numbers.len() {
            1 => Some(self.holds(values, Fields::of(field, numbers.first))),
            _ => {
                let (a, b) = (bounds(values, self.a, numbers), bounds(values, self.b, numbers));
                decided(self.cond, self.width, a, b)
            }
        };
        if let Some(holds) = decided {
            return cuts.push(numbers, holds);
        }
        let low_bits = u32::MAX >> (numbers.first ^ numbers.last).leading_zeros() >> 1;
        let middle = numbers.last & !low_bits;
        self.halve(values, field, Interval { last: middle - 1, ..numbers }, cuts)?;
        self.halve(values, field, Interval { first: middle, ..numbers }, cuts)
    }
}

struct Cuts(Vec<(Interval, bool)>);

impl Cuts {
    /// Adds the next interval, to the last one if the outcome is the same.
    fn push(&mut self, interval: Interval, holds: bool) -> Result<(), Fragmented> {
        match self.0.last_mut() {
            Some((last, same)) if *same == holds => last.last = interval.last,
            _ => self.0.push((interval, holds)),
        }
        if self.0.len() > MOST_INTERVALS { Err(Fragmented) } else { Ok(()) }
    }
}

/// Smallest and largest value, or wider.
#[derive(Clone, Copy)]
struct Bounds {
    min: u64,
    max: u64,
}

impl Bounds {
    fn exactly(value: u64) -> Bounds {
        Bounds { min: value, max: value }
    }

    fn any(width: Width) -> Bounds {
        let max = match width {
            Width::W32 => u64::from(u32::MAX),
            Width::W64 => u64::MAX,
        };
        Bounds { min: 0, max }
    }

    /// The bits below the highest one in which values may differ, and that one.
    fn unknown_bits(self) -> u64 {
        match (self.min ^ self.max).leading_zeros() {
            64 => 0,
            zeros => u64::MAX >> zeros,
        }
    }
}

/// Bounds of a value that depends on one field, for these numbers of it.
fn bounds(values: &Values, id: ValueId, numbers: Interval) -> Bounds {
    match values.expr(id) {
        Expr::Constant(value) => Bounds::exactly(value),
        Expr::Load(_) => Bounds { min: u64::from(numbers.first), max: u64::from(numbers.last) },
        Expr::Alu { op, width, a, b } => {
            alu_bounds(op, width, bounds(values, a, numbers), bounds(values, b, numbers))
        }
        Expr::Nothing | Expr::Context => Bounds::any(Width::W64),
    }
}

fn alu_bounds(op: AluOp, width: Width, a: Bounds, b: Bounds) -> Bounds {
    let any = Bounds::any(width);
    if a.max > any.max || b.max > any.max {
        // Would have to be cut to 32 bits first.
        return any;
    }
    let bits = any.max.count_ones();
    // Whether the operation keeps the order of its first operand's values.
    let monotone = match op {
        AluOp::Mov => return b,
        AluOp::And | AluOp::Or | AluOp::Xor => {
            let unknown = a.unknown_bits() | b.unknown_bits();
            let known = op.apply(width, a.min & !unknown, b.min & !unknown) & !unknown;
            let max = match op {
                AluOp::And => known | (unknown & a.max_bits() & b.max_bits()),
                _ => known | unknown,
            };
            return Bounds { min: known, max };
        }
        // One bit, moved up by a count that does not wrap.
        AluOp::Lsh if a.min == a.max => {
            let count = |count: u64| count % u64::from(bits);
            let same_turn = b.min / u64::from(bits) == b.max / u64::from(bits);
            let fits = a.min.checked_mul(1 << count(b.max)).is_some_and(|max| max <= any.max);
            return match same_turn && fits {
                true => Bounds { min: a.min << count(b.min), max: a.min << count(b.max) },
                false => any,
            };
        }
        _ if b.min != b.max => false,
        AluOp::Rsh => true,
        AluOp::Lsh => {
            let count = b.min % u64::from(bits);
            a.max <= any.max >> count
        }
        AluOp::Add => a.max.checked_add(b.min).is_some_and(|sum| sum <= any.max),
        AluOp::Sub => a.min >= b.min || a.max < b.min,
        AluOp::Mul => a.max.checked_mul(b.min).is_some_and(|product| product <= any.max),
        AluOp::Arsh => a.max <= any.max >> 1,
    };
    if !monotone {
        return any;
    }
    Bounds { min: op.apply(width, a.min, b.min), max: op.apply(width, a.max, b.min) }
}

impl Bounds {
    /// Every bit that a value within the bounds may have.
    fn max_bits(self) -> u64 {
        self.max | self.unknown_bits()
    }
}

/// The condition's outcome, if it is the same for all values within the bounds.
fn decided(cond: Cond, width: Width, a: Bounds, b: Bounds) -> Option<bool> {
    let limit = Bounds::any(width).max;
    if a.max > limit || b.max > limit {
        return None;
    }
    let less = |a: Bounds, b: Bounds| {
        if a.max < b.min {
            Some(true)
        } else if a.min >= b.max {
            Some(false)
        } else {
            None
        }
    };
    let not = |outcome: Option<bool>| outcome.map(|holds| !holds);
    match cond {
        Cond::Eq | Cond::Ne => {
            let equal = match (a, b) {
                (a, b) if a.max < b.min || b.max < a.min => Some(false),
                (a, b) if a.min == a.max && b.min == b.max => Some(true),
                _ => None,
            };
            if cond == Cond::Eq { equal } else { not(equal) }
        }
        Cond::Lt => less(a, b),
        Cond::Ge => not(less(a, b)),
        Cond::Gt => less(b, a),
        Cond::Le => not(less(b, a)),
        Cond::Set => {
            let common = alu_bounds(AluOp::And, width, a, b);
            if common.min > 0 {
                Some(true)
            } else if common.max == 0 {
                Some(false)
            } else {
                None
            }
        }
        Cond::SGt | Cond::SGe | Cond::SLt | Cond::SLe => {
            // With all values of one sign, signed order is unsigned order.
            let half = limit >> 1;
            let one_sign = |bounds: Bounds| bounds.max <= half || bounds.min > half;
            let same = (a.max <= half) == (b.max <= half);
            if !(one_sign(a) && one_sign(b) && same) {
                return None;
            }
            match cond {
                Cond::SLt => less(a, b),
                Cond::SGe => not(less(a, b)),
                Cond::SGt => less(b, a),
                _ => not(less(b, a)),
            }
        }
    }
}
