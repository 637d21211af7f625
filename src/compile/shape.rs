//! What is known of a decision DAG before its first instruction is emitted.

use std::collections::BTreeSet;

use super::dag::{Dag, Field, Node, NodeId};
use crate::device::Access;

/// What is known of the whole DAG before the first instruction.
pub(super) struct Shape {
    /// Edges that lead to each node, the two roots' included.
    pub parents: Vec<u32>,
    /// Nodes in which a decision on the minor begins.
    pub minor_entries: BTreeSet<NodeId>,
    /// Whether a bit test of the minor, or of the major, is at or below each node.
    pub minor_bits: Vec<bool>,
    pub major_bits: Vec<bool>,
    pub leaves: BTreeSet<Access>,
    /// Where the minor is loaded: if there is but one place that needs it, there; otherwise
    /// (`None`) once for all of a device type.
    pub loads_minor_at: Option<NodeId>,
    /// The same for the minor's bit.
    pub makes_minor_bit_at: Option<NodeId>,
}

impl Shape {
    pub(super) fn of(dag: &Dag, roots: [NodeId; 2]) -> Shape {
        let mut shape = Shape {
            parents: vec![0; dag.len()],
            minor_entries: BTreeSet::new(),
            minor_bits: vec![false; dag.len()],
            major_bits: vec![false; dag.len()],
            leaves: BTreeSet::new(),
            loads_minor_at: None,
            makes_minor_bit_at: None,
        };
        let mut order = Vec::new();
        for root in roots {
            shape.edge(dag, None, root, &mut order);
        }
        let mut next = 0;
        while let Some(&id) = order.get(next) {
            next += 1;
            for child in dag.node(id).children() {
                shape.edge(dag, dag.node(id).field(), child, &mut order);
            }
        }
        // A child's id is smaller than its parent's.
        order.sort_unstable();
        for id in order {
            let node = dag.node(id);
            let below = |bits: &[bool]| node.children().iter().any(|child| bits[child.index()]);
            let own = |tested| matches!(node, Node::Bits { field, .. } if *field == tested);
            shape.minor_bits[id.index()] = own(Field::Minor) || below(&shape.minor_bits);
            shape.major_bits[id.index()] = own(Field::Major) || below(&shape.major_bits);
        }
        let entries = shape.minor_entries.iter();
        let with_bits = entries.clone().filter(|entry| shape.minor_bits[entry.index()]);
        shape.loads_minor_at = only(entries);
        shape.makes_minor_bit_at = only(with_bits);
        shape
    }

    fn edge(&mut self, dag: &Dag, from: Option<Field>, to: NodeId, order: &mut Vec<NodeId>) {
        let parents = &mut self.parents[to.index()];
        *parents += 1;
        if *parents == 1 {
            order.push(to);
        }
        match dag.node(to) {
            Node::Leaf(access) => {
                self.leaves.insert(*access);
            }
            node if node.field() == Some(Field::Minor) && from != Some(Field::Minor) => {
                self.minor_entries.insert(to);
            }
            _ => {}
        }
    }
}

/// The one element, if there is exactly one.
fn only<'n>(mut nodes: impl Iterator<Item = &'n NodeId>) -> Option<NodeId> {
    let first = nodes.next()?;
    nodes.next().is_none().then_some(*first)
}
