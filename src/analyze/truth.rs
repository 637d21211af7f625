//! Where a condition holds: for which words, or for which numbers of an interval.

use super::bounds::{bounds, decided};
use super::boxes::{Field, WORDS, Words, word};
use super::region::Interval;
use super::values::{Depends, Expr, Fields, ValueId, Values};
use crate::bpf::{Cond, CtxField, Width};

/// Intervals that one condition may cut an interval into: more than the compiler lets there be.
pub(super) const MOST_INTERVALS: usize = 1 << 20;

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

/// Why an interval is not cut.
pub(super) enum NotCut {
    /// Into too many intervals.
    Fragmented,
    /// It takes too long to find out where.
    TooLong,
}

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
    /// holds for all its numbers or for none. Each look at a part of them is a step of the
    /// budget.
    pub(super) fn cut(
        &self,
        values: &Values,
        field: Field,
        numbers: Interval,
        budget: &mut usize,
    ) -> Result<Vec<(Interval, bool)>, NotCut> {
        let mut cuts = Cuts { parts: Vec::new(), budget };
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
        Ok(cuts.parts)
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
        cuts: &mut Cuts<'_>,
    ) -> Result<(), NotCut> {
        *cuts.budget = cuts.budget.checked_sub(1).ok_or(NotCut::TooLong)?;
        let decided = match numbers.len() {
            1 => Some(self.holds(values, Fields::of(field, numbers.first))),
            // How a value compares with itself does not hang on it; but it may have no bit.
            _ if self.a == self.b && self.cond != Cond::Set => {
                Some(self.holds(values, Fields::of(field, numbers.first)))
            }
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

struct Cuts<'b> {
    parts: Vec<(Interval, bool)>,
    budget: &'b mut usize,
}

impl Cuts<'_> {
    /// Adds the next interval, to the last one if the outcome is the same.
    fn push(&mut self, interval: Interval, holds: bool) -> Result<(), NotCut> {
        match self.parts.last_mut() {
            Some((last, same)) if *same == holds => last.last = interval.last,
            _ => self.parts.push((interval, holds)),
        }
        if self.parts.len() > MOST_INTERVALS { Err(NotCut::Fragmented) } else { Ok(()) }
    }
}
