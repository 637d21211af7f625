//! Where a function of a number is cut, so that each piece is decided by one node and all of them
//! cost the least.

use super::dag::NodeId;
use super::segments::{Segment, numbers};

/// Numbers that are compared one after the other before another level of the tree is worth it.
const LONGEST_CHAIN: usize = 4;
/// Different outcomes that one bit test may tell apart.
const MOST_BIT_TARGETS: usize = 3;
/// Segments `first..end`, decided by one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub first: usize,
    pub end: usize,
    pub kind: Kind,
}

/// How a piece is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One segment.
    Whole,
    /// Segments of one number each among others that lead to `otherwise`.
    Points { otherwise: NodeId },
    /// Segments within 32 numbers.
    Bits { otherwise: NodeId },
}

/// The cheapest way to cut all segments into pieces. Costs are in half instructions, as a
/// segment on its own needs a jump in about every second place.
pub(super) fn cut(segments: &[Segment], bits: bool) -> Vec<Piece> {
    const SPLIT: usize = 2;
    let count = segments.len();
    // best[i]: cost of the first i segments, and the piece that ends there.
    let mut best: Vec<(usize, Option<Piece>)> = vec![(usize::MAX, None); count + 1];
    best[0] = (0, None);
    for first in 0..count {
        let before = best[first].0 + SPLIT;
        let mut offer = |end: usize, cost: usize, kind| {
            if before + cost < best[end].0 {
                best[end] = (before + cost, Some(Piece { first, end, kind }));
            }
        };
        offer(first + 1, 1, Kind::Whole);
        for otherwise in segments[first..].iter().take(2).map(|segment| segment.target) {
            for (end, points) in chains(segments, first, otherwise) {
                offer(end, 2 * points + 2, Kind::Points { otherwise });
            }
        }
        if bits {
            for (end, targets, otherwise) in windows(segments, first) {
                offer(end, 2 * targets, Kind::Bits { otherwise });
            }
        }
    }
    let mut pieces = Vec::new();
    let mut end = count;
    while let (_, Some(piece)) = best[end] {
        pieces.push(piece);
        end = piece.first;
    }
    pieces.reverse();
    pieces
}

/// Ends of point pieces that start at `first`, each with its number of points.
fn chains(
    segments: &[Segment],
    first: usize,
    otherwise: NodeId,
) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut points = 0;
    (first..segments.len())
        .map_while(move |index| {
            if segments[index].target != otherwise {
                let numbers = numbers(segments, index);
                if points == LONGEST_CHAIN || numbers.end - numbers.start != 1 {
                    return None;
                }
                points += 1;
            }
            Some((index + 1, points))
        })
        // One segment is a piece on its own already.
        .skip(1)
}

/// Ends of bit pieces that start at `first`, each with its number of targets and the one that
/// needs no test: the last.
fn windows(
    segments: &[Segment],
    first: usize,
) -> impl Iterator<Item = (usize, usize, NodeId)> + '_ {
    let start = u64::from(segments[first].start);
    let mut targets: Vec<NodeId> = Vec::with_capacity(MOST_BIT_TARGETS);
    (first..segments.len())
        .map_while(move |index| {
            let target = segments[index].target;
            if numbers(segments, index).end - start > 32 {
                return None;
            }
            if !targets.contains(&target) {
                targets.push(target);
            }
            (targets.len() <= MOST_BIT_TARGETS).then_some((index + 1, targets.len(), target))
        })
        .skip(2)
}

/// Running sums of the pieces' weights, beginning with 0.
pub(super) fn weights(segments: &[Segment], pieces: &[Piece], hot: &[(u32, u64)]) -> Vec<u64> {
    let scale = 16;
    let total = scale * pieces.len() as u64;
    let mut sum = 0;
    let mut sums = vec![0];
    for piece in pieces {
        let numbers = segments[piece.first].start..=segments[piece.end - 1].start;
        let own_start =
            |major| segments[piece.first..piece.end].iter().any(|segment| segment.start == major);
        let heat: u64 = hot
            .iter()
            .filter(|(major, _)| numbers.contains(major) && own_start(*major))
            .map(|(_, part)| total / part)
            .sum();
        sum += scale + heat;
        sums.push(sum);
    }
    sums
}
