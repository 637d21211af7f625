//! Majors whose rules can't be told apart by any minor, so that one node serves them all.

use std::collections::BTreeMap;

use super::dag::NodeId;
use super::grants::Minors;

/// Nodes of majors that have rules for all their minors and none for a single one. How these rules
/// do against those for one minor of every major depends only on how many of the latter come
/// after them, bit by bit.
pub(super) struct Alike {
    /// For each bit, the ranks that rules for one minor of every major have, in order.
    ranks: [Vec<u32>; 3],
    nodes: BTreeMap<[usize; 3], NodeId>,
}

impl Alike {
    pub(super) fn new(every_major: &Minors) -> Alike {
        let mut ranks = [const { Vec::new() }; 3];
        for cell in every_major.named.values().chain([&every_major.any]) {
            for (ranks, rank) in ranks.iter_mut().zip(cell.ranks()) {
                ranks.push(rank);
            }
        }
        ranks.iter_mut().for_each(|ranks| ranks.sort_unstable());
        Alike { ranks, nodes: BTreeMap::new() }
    }

    /// The node that was kept for a major whose rules do the same.
    pub(super) fn find(&self, minors: &Minors) -> Option<NodeId> {
        self.nodes.get(&self.place(minors)?).copied()
    }

    /// Keeps the node that was made for a major, and gives it back.
    pub(super) fn keep(&mut self, minors: &Minors, node: NodeId) -> NodeId {
        if let Some(place) = self.place(minors) {
            self.nodes.insert(place, node);
        }
        node
    }

    /// For each bit, how many of the ranks are below that of the major's own rule, and what this
    /// rule says.
    fn place(&self, minors: &Minors) -> Option<[usize; 3]> {
        let own = minors.any.ranks();
        let place = |bit: usize| {
            let earlier = self.ranks[bit].partition_point(|rank| *rank < own[bit]);
            2 * earlier + usize::from(own[bit] & 1 == 1)
        };
        minors.named.is_empty().then(|| [0, 1, 2].map(place))
    }
}
