//! Where a condition holds: for which words, or for which numbers of an interval.

use super::bounds::decided;
use super::boxes::{Box, Field, WORDS, Words, word};
use super::budget::{Meter, Spent};
use super::evaluate::{Evaluator, Fields};
use super::region::Interval;
use super::values::{Depends, Expr, Origin, ValueId, Values};
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
    Unknown(Origin),
}

/// Why an interval is not cut.
pub(super) enum NotCut {
    /// Into too many intervals.
    Fragmented,
    /// It takes too long to find out where.
    Spent(Spent),
}

impl From<Spent> for NotCut {
    fn from(spent: Spent) -> NotCut {
        NotCut::Spent(spent)
    }
}

/// What it takes to find out where a condition holds.
pub(super) struct Work<'w> {
    pub values: &'w Values,
    pub evaluator: &'w mut Evaluator,
    pub meter: &'w mut Meter,
}

impl Condition {
    /// Takes the condition apart, for [`Condition::cut`] and [`Condition::holds_for`] too.
    pub(super) fn tests(&self, work: &mut Work<'_>) -> Result<Tests, Spent> {
        let Work { values, evaluator, meter } = work;
        if let Some(origin) = values.origin(self.a).or_else(|| values.origin(self.b)) {
            return Ok(Tests::Unknown(origin));
        }
        evaluator.take(values, [self.a, self.b], meter)?;
        Ok(match values.depends(self.a).union(values.depends(self.b)) {
            Depends { word: false, major: false, minor: false } => {
                meter.charge(evaluator.len())?;
                Tests::Nothing(self.holds(evaluator, Fields::default()))
            }
            Depends { word: true, major: false, minor: false } => {
                meter.charge(WORDS as usize * evaluator.len())?;
                let holds = |bit: &u32| {
                    self.holds(evaluator, Fields { access_type: word(*bit), ..Fields::default() })
                };
                Tests::Words((0..WORDS).filter(holds).fold(0, |words, bit| words | 1 << bit))
            }
            Depends { word: false, major: true, minor: false } => Tests::Number(Field::Major),
            Depends { word: false, major: false, minor: true } => Tests::Number(Field::Minor),
            _ => Tests::Mix,
        })
    }

    fn holds(&self, evaluator: &mut Evaluator, fields: Fields) -> bool {
        let [a, b] = evaluator.values(fields);
        self.cond.holds(self.width, a, b)
    }

    /// The outcome for a box that is one request; `None` for any other.
    pub(super) fn holds_for(&self, one: &Box, work: &mut Work<'_>) -> Result<Option<bool>, Spent> {
        let Some(fields) = one.only() else { return Ok(None) };
        work.meter.charge(work.evaluator.len())?;
        Ok(Some(self.holds(work.evaluator, fields)))
    }

    /// Cuts `numbers` of `field` into intervals, in order, each with whether the condition
    /// holds for all its numbers or for none. Each expression that is evaluated is a step of the
    /// budget.
    pub(super) fn cut(
        &self,
        field: Field,
        numbers: Interval,
        work: &mut Work<'_>,
    ) -> Result<Vec<(Interval, bool)>, NotCut> {
        let mut cuts = Cuts { parts: Vec::new() };
        if let Some(steps) = self.steps(work.values) {
            // The outcome changes only at these numbers.
            let mut first = numbers.first;
            for step in steps.into_iter().flatten() {
                if numbers.first < step && step <= numbers.last {
                    let part = Interval { first, last: step - 1 };
                    cuts.push(part, self.holds(work.evaluator, Fields::of(field, first)))?;
                    first = step;
                }
            }
            let part = Interval { first, last: numbers.last };
            cuts.push(part, self.holds(work.evaluator, Fields::of(field, first)))?;
        } else {
            self.halve(field, numbers, work, &mut cuts)?;
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
        field: Field,
        numbers: Interval,
        work: &mut Work<'_>,
        cuts: &mut Cuts,
    ) -> Result<(), NotCut> {
        work.meter.charge(work.evaluator.len())?;
        let decided = match numbers.len() {
            1 => Some(self.holds(work.evaluator, Fields::of(field, numbers.first))),
            // How a value compares with itself does not hang on it; but it may have no bit.
            _ if self.a == self.b && self.cond != Cond::Set => {
                Some(self.holds(work.evaluator, Fields::of(field, numbers.first)))
            }
            _ => {
                let [a, b] = work.evaluator.bounds(numbers);
                decided(self.cond, self.width, a, b)
            }
        };
        if let Some(holds) = decided {
            return cuts.push(numbers, holds);
        }
        let low_bits = u32::MAX >> (numbers.first ^ numbers.last).leading_zeros() >> 1;
        let middle = numbers.last & !low_bits;
        self.halve(field, Interval { last: middle - 1, ..numbers }, work, cuts)?;
        self.halve(field, Interval { first: middle, ..numbers }, work, cuts)
    }
}

struct Cuts {
    parts: Vec<(Interval, bool)>,
}

impl Cuts {
    /// Adds the next interval, to the last one if the outcome is the same.
    fn push(&mut self, interval: Interval, holds: bool) -> Result<(), NotCut> {
        match self.parts.last_mut() {
            Some((last, same)) if *same == holds => last.last = interval.last,
            _ => self.parts.push((interval, holds)),
        }
        if self.parts.len() > MOST_INTERVALS { Err(NotCut::Fragmented) } else { Ok(()) }
    }
}
