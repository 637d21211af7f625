//! Segments to nodes: points and bit tests where they are cheap, a balanced tree above them.

use std::collections::BTreeMap;

use super::alike::Alike;
use super::dag::{Dag, Field, Node, NodeId};
use super::grants::{Cell, Grants, Minors};
use super::pieces::{Kind, Piece, cut, weights};
use super::segments::{Segment, are_alike, cut_at, numbers, with_points};
use super::style::Style;
use super::{MAX_INSNS, MOST_STEPS};

/// Above this many segments a function of the minor is cut where its numbers' bits change, so
/// that functions which are alike in places share these places' nodes.
pub(super) const MOST_UNALIGNED: usize = 16;

/// Character devices that every container opens all the time, by major: null, zero and
/// urandom; tty; pts. Each is weighed as this part of all numbers named.
const HOT_MAJORS: [(u32, u64); 3] = [(1, 4), (136, 16), (5, 16)];

/// What making nodes of one segment costs, and proving one region, where looking at one number
/// is a step.
const STEPS_PER_SEGMENT: usize = 4;
const STEPS_PER_REGION: usize = 4;

/// Why there is no decision DAG.
pub(super) enum TooLarge {
    /// It has so many nodes already, more than the kernel takes instructions.
    Nodes(usize),
    /// It takes more than [`MOST_STEPS`].
    Steps,
}

/// The nodes that decide every request of a block and of a character device.
pub(super) fn lower(
    dag: &mut Dag,
    grants: &[Grants; 2],
    style: Style,
) -> Result<[NodeId; 2], TooLarge> {
    let mut lowering = Lowering { dag, style, regions: BTreeMap::new(), steps: 0 };
    let [block, character] = grants;
    let [block, character] = [lowering.majors(block)?, lowering.majors(character)?];
    let root = lowering.tree(Field::Major, &character, &HOT_MAJORS);
    // Two trees that are balanced each for itself would share nothing but small parts.
    let block = match are_alike(&block, &character) {
        true => lowering.like(&block, &character, root),
        false => lowering.tree(Field::Major, &block, &[]),
    };
    Ok([block, root])
}

struct Lowering<'d> {
    dag: &'d mut Dag,
    style: Style,
    /// Of each function of the minor, at most how many intervals the proof finds in it.
    regions: BTreeMap<NodeId, usize>,
    /// Of [`MOST_STEPS`], those taken so far.
    steps: usize,
}

impl Lowering<'_> {
    /// The function of the major, for one device type.
    fn majors(&mut self, grants: &Grants) -> Result<Vec<Segment>, TooLarge> {
        let any_major = self.any_major(&grants.any)?;
        let mut majors = Vec::with_capacity(grants.named.len());
        let mut alike = Alike::new(&grants.any);
        for (major, minors) in &grants.named {
            let node = match alike.find(minors) {
                Some(node) => node,
                None => alike.keep(minors, self.one_major(minors, &grants.any, any_major)?),
            };
            majors.push((*major, node));
        }
        let segments = with_points(any_major, majors.into_iter());
        self.take(STEPS_PER_SEGMENT * segments.len())?;
        for segment in &segments {
            let regions = self.regions.get(&segment.target).copied().unwrap_or(1);
            self.take(STEPS_PER_REGION * regions)?;
        }
        Ok(segments)
    }

    fn take(&mut self, steps: usize) -> Result<(), TooLarge> {
        self.steps += steps;
        // Each node is an instruction or more.
        if self.dag.len() > MAX_INSNS {
            return Err(TooLarge::Nodes(self.dag.len()));
        }
        if self.steps > MOST_STEPS { Err(TooLarge::Steps) } else { Ok(()) }
    }

    fn leaf(&mut self, cell: Cell) -> NodeId {
        self.dag.intern(Node::Leaf(cell.allowed()))
    }

    /// Majors that no rule names.
    fn any_major(&mut self, any: &Minors) -> Result<NodeId, TooLarge> {
        self.take(any.named.len())?;
        let otherwise = self.leaf(any.any);
        let points: Vec<_> =
            any.named.iter().map(|(minor, cell)| (*minor, self.leaf(cell.with(any.any)))).collect();
        let segments = with_points(otherwise, points.into_iter());
        let node = self.of_minor(&segments)?;
        self.regions.insert(node, segments.len());
        Ok(node)
    }

    /// A major that rules name. Where none of them is for all its minors, it differs from the
    /// other majors only in some minors, and the node for those does the rest.
    fn one_major(
        &mut self,
        own: &Minors,
        any: &Minors,
        any_major: NodeId,
    ) -> Result<NodeId, TooLarge> {
        self.take(own.points(any))?;
        let everywhere = any.any.with(own.any);
        let mut points: Vec<(u32, NodeId)> = Vec::with_capacity(own.named.len());
        let otherwise = if own.any.is_empty() {
            for (minor, cell) in &own.named {
                let others = any.at(*minor).with(any.any);
                let here = cell.with(others).allowed();
                if here != others.allowed() {
                    points.push((*minor, self.dag.intern(Node::Leaf(here))));
                }
            }
            any_major
        } else {
            for (minor, cell) in &own.named {
                let here = cell.with(any.at(*minor)).with(everywhere);
                points.push((*minor, self.leaf(here)));
            }
            for (minor, cell) in &any.named {
                if !own.named.contains_key(minor) {
                    points.push((*minor, self.leaf(cell.with(everywhere))));
                }
            }
            points.sort_unstable_by_key(|(minor, _)| *minor);
            self.leaf(everywhere)
        };
        let beyond = self.regions.get(&otherwise).copied().unwrap_or(1);
        let segments = with_points(otherwise, points.into_iter());
        let node = self.of_minor(&segments)?;
        if node != otherwise {
            self.regions.insert(node, segments.len() - 1 + beyond);
        }
        Ok(node)
    }

    /// The function of the major, cut where the tree `model` of another function is: so it has the
    /// other's nodes where both are the same.
    fn like(&mut self, segments: &[Segment], others: &[Segment], model: NodeId) -> NodeId {
        if segments == others {
            return model;
        }
        let Node::Split { field: Field::Major, at, below, from } = *self.dag.node(model) else {
            return self.tree(Field::Major, segments, &[]);
        };
        let ([lower, upper], [others_lower, others_upper]) =
            (cut_at(segments, at), cut_at(others, at));
        let below = self.like(&lower, &others_lower, below);
        let from = self.like(&upper, &others_upper, from);
        self.dag.intern(Node::Split { field: Field::Major, at, below, from })
    }

    fn of_minor(&mut self, segments: &[Segment]) -> Result<NodeId, TooLarge> {
        self.take(STEPS_PER_SEGMENT * segments.len())?;
        Ok(match self.style.aligned {
            true => self.aligned_tree(segments),
            false => self.tree(Field::Minor, segments, &[]),
        })
    }

    /// Cuts at a multiple of the largest power of two that has segments start on both sides.
    fn aligned_tree(&mut self, segments: &[Segment]) -> NodeId {
        let [_, first, .., last] = segments else {
            return self.tree(Field::Minor, segments, &[]);
        };
        if segments.len() <= MOST_UNALIGNED {
            return self.tree(Field::Minor, segments, &[]);
        }
        let low_bits = u32::MAX >> (first.start ^ last.start).leading_zeros() >> 1;
        let at = last.start & !low_bits;
        let [lower, upper] = cut_at(segments, at);
        let below = self.aligned_tree(&lower);
        let from = self.aligned_tree(&upper);
        self.dag.intern(Node::Split { field: Field::Minor, at, below, from })
    }

    fn tree(&mut self, field: Field, segments: &[Segment], hot: &[(u32, u64)]) -> NodeId {
        let pieces = cut(segments, self.style.bits(field));
        let nodes: Vec<NodeId> =
            pieces.iter().map(|piece| self.piece(field, segments, piece, hot)).collect();
        let weights = weights(segments, &pieces, hot);
        self.balance(field, segments, &pieces, &nodes, &weights)
    }

    fn balance(
        &mut self,
        field: Field,
        segments: &[Segment],
        pieces: &[Piece],
        nodes: &[NodeId],
        weights: &[u64],
    ) -> NodeId {
        if let [node] = nodes {
            return *node;
        }
        // weights[i] is the sum before piece i: cut where the halves weigh most alike.
        let (first, last) = (weights[0], weights[nodes.len()]);
        let middle = (first + last) / 2;
        let above = weights[1..nodes.len()].partition_point(|sum| *sum <= middle) + 1;
        let candidates = [above - 1, above].map(|cut| cut.clamp(1, nodes.len() - 1));
        let [low, high] = candidates;
        let cut = if weights[low].abs_diff(middle) <= weights[high].abs_diff(middle) {
            low
        } else {
            high
        };
        let below = self.balance(field, segments, &pieces[..cut], &nodes[..cut], &weights[..=cut]);
        let from = self.balance(field, segments, &pieces[cut..], &nodes[cut..], &weights[cut..]);
        if below == from {
            return below;
        }
        let at = segments[pieces[cut].first].start;
        self.dag.intern(Node::Split { field, at, below, from })
    }

    fn piece(
        &mut self,
        field: Field,
        segments: &[Segment],
        piece: &Piece,
        hot: &[(u32, u64)],
    ) -> NodeId {
        let all = piece.first..piece.end;
        match piece.kind {
            Kind::Whole => segments[piece.first].target,
            Kind::Points { otherwise } => {
                let mut points: Vec<(u32, NodeId)> = segments[all]
                    .iter()
                    .filter(|segment| segment.target != otherwise)
                    .map(|segment| (segment.start, segment.target))
                    .collect();
                // Hot ones first; then those that need no code of their own.
                points.sort_by_key(|(number, target)| {
                    let heat = hot.iter().position(|(major, _)| major == number);
                    let leaf = matches!(self.dag.node(*target), Node::Leaf(_));
                    (heat.unwrap_or(hot.len()), !leaf)
                });
                self.dag.intern(Node::Points { field, points, otherwise })
            }
            Kind::Bits { otherwise } => {
                let mut masks: Vec<(u32, NodeId)> = Vec::new();
                for index in all {
                    let target = segments[index].target;
                    if target == otherwise {
                        continue;
                    }
                    let mask = numbers(segments, index).fold(0, |mask, n| mask | 1 << (n % 32));
                    match masks.iter_mut().find(|(_, to)| *to == target) {
                        Some((known, _)) => *known |= mask,
                        None => masks.push((mask, target)),
                    }
                }
                self.dag.intern(Node::Bits { field, masks, otherwise })
            }
        }
    }
}
