//! A function of a 32-bit number as its steps: where the value changes, and to what.

use std::ops::Range;

use super::dag::NodeId;

/// From `start` on (up to the next segment's start) the function is `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub start: u32,
    pub target: NodeId,
}

/// The function that is `otherwise` but for `points`, which come in increasing order.
/// Neighbours with the same value are one segment; the first starts at 0.
pub(super) fn with_points(
    otherwise: NodeId,
    points: impl Iterator<Item = (u32, NodeId)>,
) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut push = |start, target| match segments.last_mut() {
        Some(last) if last.target == target => {}
        _ => segments.push(Segment { start, target }),
    };
    let mut next = Some(0);
    for (point, target) in points {
        if let Some(gap) = next.filter(|gap| *gap < point) {
            push(gap, otherwise);
        }
        push(point, target);
        next = point.checked_add(1);
    }
    if let Some(rest) = next {
        push(rest, otherwise);
    }
    segments
}

/// The function below `at`, and from `at` on.
pub(super) fn cut_at(segments: &[Segment], at: u32) -> [Vec<Segment>; 2] {
    let (lower, upper) = segments.split_at(segments.partition_point(|segment| segment.start < at));
    let begins = upper.first().is_some_and(|segment| segment.start == at);
    let first = lower.last().filter(|_| !begins).map(|last| Segment { start: at, ..*last });
    [lower.to_vec(), first.into_iter().chain(upper.iter().copied()).collect()]
}

/// Whether two functions of many segments have most of them in common.
pub(super) fn are_alike(a: &[Segment], b: &[Segment]) -> bool {
    const FEW: usize = 256;
    let in_b = |segment: &&Segment| {
        b.binary_search_by_key(&segment.start, |other| other.start)
            .is_ok_and(|index| b[index] == **segment)
    };
    a == b || a.len() > FEW && 4 * a.iter().filter(in_b).count() > 3 * a.len().max(b.len())
}

/// The numbers of the segment at `index`, the end being exclusive.
pub(super) fn numbers(segments: &[Segment], index: usize) -> Range<u64> {
    let end = segments.get(index + 1).map_or(1 << 32, |next| u64::from(next.start));
    u64::from(segments[index].start)..end
}
