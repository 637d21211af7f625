//! Evaluates two expressions, for one request or for an interval of numbers at once. What they
//! share, with each other and within, is evaluated once.

use super::bounds::{Bounds, alu_bounds};
use super::boxes::Field;
use super::budget::{Meter, Spent};
use super::region::Interval;
use super::values::{Expr, ValueId, Values};
use crate::bpf::{AluOp, CtxField, Width};

/// One request's fields, to compute an expression's value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    pub access_type: u32,
    pub major: u32,
    pub minor: u32,
}

impl Fields {
    pub(super) fn of(field: Field, number: u32) -> Fields {
        match field {
            Field::Major => Fields { major: number, ..Fields::default() },
            Field::Minor => Fields { minor: number, ..Fields::default() },
        }
    }
}

#[derive(Clone, Copy)]
enum Node {
    Constant(u64),
    Load(CtxField),
    Alu { op: AluOp, width: Width, a: usize, b: usize },
}

impl Node {
    fn leaf(expr: Expr) -> Option<Node> {
        match expr {
            Expr::Constant(value) => Some(Node::Constant(value)),
            Expr::Load(field) => Some(Node::Load(field)),
            Expr::Alu { .. } | Expr::Nothing | Expr::Context | Expr::Unknown(_) => None,
        }
    }
}

/// Two expressions, taken apart. Its memory is used again and again.
#[derive(Default)]
pub(super) struct Evaluator {
    /// Each after those that it is made of.
    nodes: Vec<Node>,
    roots: [usize; 2],
    reached: Vec<ValueId>,
    /// For each expression, its node, or `ABSENT`.
    places: Vec<u32>,
    numbers: Vec<u64>,
    bounds: Vec<Bounds>,
}

const ABSENT: u32 = u32::MAX;

impl Evaluator {
    /// Goes on with these expressions, neither of which is unknown.
    pub(super) fn take(
        &mut self,
        values: &Values,
        roots: [ValueId; 2],
        meter: &mut Meter,
    ) -> Result<(), Spent> {
        self.nodes.clear();
        // Most conditions compare a field with a constant.
        if let [Some(a), Some(b)] = roots.map(|root| Node::leaf(values.expr(root))) {
            self.nodes.extend([a, b]);
            self.roots = [0, 1];
            return meter.charge(self.nodes.len());
        }
        self.places.resize(values.len(), ABSENT);
        self.reached.clear();
        for root in roots {
            self.reach(root);
        }
        let mut next = 0;
        while let Some(&id) = self.reached.get(next) {
            if let Expr::Alu { a, b, .. } = values.expr(id) {
                self.reach(a);
                self.reach(b);
            }
            next += 1;
        }
        meter.charge(self.reached.len())?;
        self.reached.sort_unstable();
        for (node, id) in self.reached.iter().enumerate() {
            self.places[Values::place(*id)] = node as u32;
        }
        let place = |places: &[u32], id: ValueId| places[Values::place(id)] as usize;
        for &id in &self.reached {
            self.nodes.push(match values.expr(id) {
                Expr::Alu { op, width, a, b } => {
                    Node::Alu { op, width, a: place(&self.places, a), b: place(&self.places, b) }
                }
                // Only numbers are asked for.
                leaf => Node::leaf(leaf).unwrap_or(Node::Constant(0)),
            });
        }
        self.roots = roots.map(|root| place(&self.places, root));
        for id in &self.reached {
            self.places[Values::place(*id)] = ABSENT;
        }
        Ok(())
    }

    fn reach(&mut self, id: ValueId) {
        let place = &mut self.places[Values::place(id)];
        if *place == ABSENT {
            *place = 0;
            self.reached.push(id);
        }
    }

    /// How many nodes each evaluation visits.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The two values for one request.
    pub(super) fn values(&mut self, fields: Fields) -> [u64; 2] {
        self.numbers.clear();
        for node in &self.nodes {
            let number = match *node {
                Node::Constant(value) => value,
                Node::Load(field) => {
                    u64::from(field.read(fields.access_type, fields.major, fields.minor))
                }
                Node::Alu { op, width, a, b } => op.apply(width, self.numbers[a], self.numbers[b]),
            };
            self.numbers.push(number);
        }
        self.roots.map(|root| self.numbers[root])
    }

    /// Bounds of the two values, which depend on one field, for these numbers of it.
    pub(super) fn bounds(&mut self, numbers: Interval) -> [Bounds; 2] {
        self.bounds.clear();
        for node in &self.nodes {
            let bounds = match *node {
                Node::Constant(value) => Bounds::exactly(value),
                Node::Load(_) => Bounds::between(u64::from(numbers.first), u64::from(numbers.last)),
                Node::Alu { op, width, a, b } => {
                    alu_bounds(op, width, self.bounds[a].cut(width), self.bounds[b].cut(width))
                }
            };
            self.bounds.push(bounds);
        }
        self.roots.map(|root| self.bounds[root])
    }
}
