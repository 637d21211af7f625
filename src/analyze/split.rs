//! A branch cuts boxes in two.

use super::AnalyzeError;
use super::boxes::Box;
use super::truth::{Condition, MOST_INTERVALS, NotCut, Tests, Work};
use super::values::Origin;

/// The boxes on both sides of a branch.
pub(super) enum Sides {
    /// Those for which the condition holds, and the others.
    Cut(Vec<Box>, Vec<Box>),
    /// All may go both ways, because of this.
    Both(Vec<Box>, Origin),
}

/// Cuts the boxes where the outcome of the condition changes.
pub(super) fn split(
    index: usize,
    condition: Condition,
    boxes: Vec<Box>,
    work: &mut Work<'_>,
) -> Result<Sides, AnalyzeError> {
    work.meter.charge(boxes.len()).map_err(|spent| work.meter.error(spent, index))?;
    let tests = condition.tests(work).map_err(|spent| work.meter.error(spent, index))?;
    let (mut taken, mut not) = (Vec::new(), Vec::new());
    match tests {
        Tests::Nothing(true) => taken = boxes,
        Tests::Nothing(false) => not = boxes,
        Tests::Words(words) => {
            let part = |words| {
                let cut = move |one: &Box| Box { words: one.words & words, ..*one };
                boxes.iter().map(cut).filter(|one| one.words != 0).collect()
            };
            (taken, not) = (part(words), part(!words));
        }
        Tests::Number(field) => {
            for one in boxes {
                let parts = condition.cut(field, one.interval(field), work);
                let parts = parts.map_err(|error| match error {
                    NotCut::Spent(spent) => work.meter.error(spent, index),
                    NotCut::Fragmented => AnalyzeError::Fragmented { index, limit: MOST_INTERVALS },
                })?;
                for (interval, holds) in parts {
                    let side = if holds { &mut taken } else { &mut not };
                    side.push(one.with(field, interval));
                }
            }
        }
        Tests::Mix => {
            for one in boxes {
                let holds = condition.holds_for(&one, work);
                match holds.map_err(|spent| work.meter.error(spent, index))? {
                    Some(true) => taken.push(one),
                    Some(false) => not.push(one),
                    None => return Err(AnalyzeError::Mixed { index }),
                }
            }
        }
        Tests::Unknown(origin) => return Ok(Sides::Both(boxes, origin)),
    }
    Ok(Sides::Cut(taken, not))
}
