//! The decision DAG: nodes that test one field, equal ones being the same node.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::device::Access;

/// A number of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Major,
    Minor,
}

/// A node's name. A node is made after those that it leads to, so its id is the larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NodeId(u32);

impl NodeId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// Exactly these bits are allowed.
    Leaf(Access),
    /// Numbers below `at` and numbers from `at` on.
    Split { field: Field, at: u32, below: NodeId, from: NodeId },
    /// One number after the other.
    Points { field: Field, points: Vec<(u32, NodeId)>, otherwise: NodeId },
    /// Where the number is known to be one of 32 in a row: masks over `1 << (number % 32)`.
    Bits { field: Field, masks: Vec<(u32, NodeId)>, otherwise: NodeId },
}

impl Node {
    /// The field that it tests.
    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Node::Leaf(_) => None,
            Node::Split { field, .. } | Node::Points { field, .. } | Node::Bits { field, .. } => {
                Some(*field)
            }
        }
    }

    /// Where it leads, once for each edge.
    pub(super) fn children(&self) -> Vec<NodeId> {
        match self {
            Node::Leaf(_) => Vec::new(),
            Node::Split { below, from, .. } => vec![*below, *from],
            Node::Points { points: tests, otherwise, .. }
            | Node::Bits { masks: tests, otherwise, .. } => {
                tests.iter().map(|(_, to)| *to).chain([*otherwise]).collect()
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Dag {
    nodes: Vec<Node>,
    /// Without random keys: a policy that makes these collide only slows its own container.
    ids: HashMap<Node, NodeId, BuildHasherDefault<DefaultHasher>>,
}

impl Dag {
    /// The node, made if there is none like it.
    pub(super) fn intern(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.ids.get(&node) {
            return *id;
        }
        // Nodes stand for instructions, whose number is limited to far less than 2^32.
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node.clone());
        self.ids.insert(node, id);
        id
    }

    /// The node like this one, if it was made.
    pub(super) fn find(&self, node: &Node) -> Option<NodeId> {
        self.ids.get(node).copied()
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
}
