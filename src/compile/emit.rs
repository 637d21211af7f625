//! Nodes to instructions.
//!
//! Code comes in this order, so that every jump leads forward: character devices, block devices,
//! nodes with several parents (parents first), and last what a leaf does, once for each set of
//! allowed bits. Where too many nodes are waited for, they come at once, and again for later
//! parents.

use std::collections::BinaryHeap;

use super::dag::{Dag, Field, Node, NodeId};
use super::registers::{ACCESS_TYPE, MAJOR, MAJOR_BIT, MINOR, MINOR_BIT, Test, number};
use super::shape::Shape;
use super::{CompileError, MAX_INSNS, Roots};
use crate::bpf::{Assembler, Cond, CtxField, Label, Program, Reg, Size};
use crate::device::{Access, DeviceType};

/// The program; `rules` is for the error.
pub(super) fn emit(roots: &Roots, rules: usize) -> Result<Program, CompileError> {
    let mut emitter = Emitter::new(roots);
    emitter.entry(roots);
    emitter.shared();
    emitter.leaves();
    match emitter.asm.len() {
        insns if insns > MAX_INSNS => Err(CompileError::TooLong { rules, insns }),
        _ => Ok(emitter.asm.finish()?),
    }
}

/// Nodes with several parents that may be waited for at a time.
const MOST_PENDING: usize = 1 << 11;

struct Emitter<'r> {
    asm: Assembler,
    dag: &'r Dag,
    shape: Shape,
    labels: Vec<Option<Label>>,
    /// Nodes with several parents that were jumped to, the youngest first.
    pending: BinaryHeap<NodeId>,
}

impl<'r> Emitter<'r> {
    fn new(roots: &'r Roots) -> Emitter<'r> {
        let dag = &roots.dag;
        Emitter {
            asm: Assembler::new(),
            dag,
            shape: Shape::of(dag, [roots.block, roots.character]),
            labels: vec![None; dag.len()],
            pending: BinaryHeap::new(),
        }
    }

    fn entry(&mut self, roots: &Roots) {
        let Roots { block, character, .. } = *roots;
        let partial = |access: &Access| !matches!(*access, Access::NONE | Access::ALL);
        if block != character || self.shape.leaves.iter().any(partial) {
            let whole = CtxField::AccessType { at: 0, size: Size::Word };
            self.asm.load(ACCESS_TYPE, whole);
        }
        if block == character {
            return self.device_type(character);
        }
        let is_block = DeviceType::Block.kernel_bit();
        // A leaf needs nothing loaded, so that its code serves as it is.
        let leaf = matches!(self.dag.node(block), Node::Leaf(_));
        let to_block = if leaf { self.target(block) } else { self.asm.label() };
        self.asm.branch(Cond::Set, ACCESS_TYPE, is_block, to_block);
        self.device_type(character);
        if !leaf {
            self.asm.bind(to_block);
            self.device_type(block);
        }
    }

    /// What all requests of one type have in common.
    fn device_type(&mut self, root: NodeId) {
        let (load_at, bit_at) = (self.shape.loads_minor_at, self.shape.makes_minor_bit_at);
        let node = self.dag.node(root);
        if node.field() == Some(Field::Major) {
            self.asm.load(MAJOR, CtxField::Major);
            if self.shape.major_bits[root.index()] {
                self.bit(MAJOR_BIT, MAJOR);
            }
        }
        if load_at.is_none() && self.reaches_minor(root) {
            self.asm.load(MINOR, CtxField::Minor);
            if bit_at.is_none() && self.shape.minor_bits[root.index()] {
                self.bit(MINOR_BIT, MINOR);
            }
        }
        self.continue_with(root);
    }

    fn reaches_minor(&self, root: NodeId) -> bool {
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            match self.dag.node(id).field() {
                Some(Field::Minor) => return true,
                Some(Field::Major) => stack.extend(self.dag.node(id).children()),
                None => {}
            }
        }
        false
    }

    fn bit(&mut self, bit: Reg, number: Reg) {
        self.asm.mov(bit, 1);
        self.asm.shift_left(bit, number);
    }

    /// The label of a leaf or of a node with several parents, to jump to.
    fn target(&mut self, id: NodeId) -> Label {
        if let Some(label) = self.labels[id.index()] {
            return label;
        }
        let label = self.asm.label();
        self.labels[id.index()] = Some(label);
        if !matches!(self.dag.node(id), Node::Leaf(_)) {
            self.pending.push(id);
        }
        label
    }

    fn has_code_elsewhere(&self, id: NodeId) -> bool {
        matches!(self.dag.node(id), Node::Leaf(_)) || self.shape.parents[id.index()] > 1
    }

    fn continue_with(&mut self, id: NodeId) {
        if self.has_code_elsewhere(id) {
            let label = self.target(id);
            self.asm.jump(label);
        } else {
            self.node(id);
        }
    }

    /// Nodes with several parents: the youngest first, as all its parents are done by then.
    fn shared(&mut self) {
        while let Some(id) = self.pending.pop() {
            // Jumps only lead forward: whoever wants this node from here on gets another copy.
            if let Some(label) = self.labels[id.index()].take() {
                self.asm.bind(label);
                self.node(id);
            }
        }
    }

    /// Called where nothing falls through. Each label that is waited for takes an island in every
    /// stretch that jumps can reach, so there must not be too many of them.
    fn limit_pending(&mut self) {
        if self.pending.len() > MOST_PENDING {
            self.shared();
        }
    }

    fn node(&mut self, id: NodeId) {
        // It is too long already. What is left out doesn't matter.
        if self.asm.len() > MAX_INSNS {
            return;
        }
        if self.shape.loads_minor_at == Some(id) {
            self.asm.load(MINOR, CtxField::Minor);
        }
        if self.shape.makes_minor_bit_at == Some(id) {
            self.bit(MINOR_BIT, MINOR);
        }
        match self.dag.node(id) {
            // Leaves are always elsewhere.
            Node::Leaf(_) => {}
            Node::Split { field, at, below, from } => self.split(*field, *at, *below, *from),
            Node::Points { field, points, otherwise } => {
                self.tests(Test::Number(*field), points, *otherwise);
            }
            Node::Bits { field, masks, otherwise } => {
                self.tests(Test::Bit(*field), masks, *otherwise);
            }
        }
    }

    fn split(&mut self, field: Field, at: u32, below: NodeId, from: NodeId) {
        let number = number(field);
        if self.has_code_elsewhere(below) {
            let label = self.target(below);
            self.asm.branch(Cond::Lt, number, at, label);
            self.continue_with(from);
        } else if self.has_code_elsewhere(from) {
            let label = self.target(from);
            self.asm.branch(Cond::Ge, number, at, label);
            self.node(below);
        } else {
            let label = self.asm.label();
            self.asm.branch(Cond::Ge, number, at, label);
            self.node(below);
            self.limit_pending();
            self.asm.bind(label);
            self.node(from);
        }
    }

    fn tests(&mut self, test: Test, tests: &[(u32, NodeId)], otherwise: NodeId) {
        let mut tests = tests.iter().peekable();
        while let Some(&(value, target)) = tests.next() {
            if self.has_code_elsewhere(target) {
                let label = self.target(target);
                self.branch(test.is(value), label);
            } else if tests.peek().is_none() && self.has_code_elsewhere(otherwise) {
                let label = self.target(otherwise);
                self.branch(test.is_not(value), label);
                return self.node(target);
            } else {
                let label = self.asm.label();
                self.branch(test.is_not(value), label);
                self.node(target);
                self.asm.bind(label);
            }
        }
        self.continue_with(otherwise);
    }

    fn branch(&mut self, (cond, register, value): (Cond, Reg, u32), label: Label) {
        self.asm.branch(cond, register, value, label);
    }

    /// What a leaf does: test the forbidden bits of the request, then answer.
    fn leaves(&mut self) {
        let label = |access| {
            let leaf = self.dag.find(&Node::Leaf(access))?;
            self.labels[leaf.index()]
        };
        let allow = label(Access::ALL).unwrap_or_else(|| self.asm.label());
        let deny = label(Access::NONE).unwrap_or_else(|| self.asm.label());
        let mut partial: Vec<(Access, Label)> = Access::every()
            .filter(|access| !matches!(*access, Access::NONE | Access::ALL))
            .filter_map(|access| Some((access, label(access)?)))
            .collect();
        // The code so far often ends in a jump to a leaf: with that leaf first, it goes away.
        let last = self.asm.last_jump();
        partial.sort_by_key(|(_, label)| Some(*label) != last);
        let mut rest = partial.len();
        for (access, label) in partial {
            rest -= 1;
            self.asm.bind(label);
            let forbidden = access.complement().kernel_bits() << 16;
            self.asm.branch(Cond::Set, ACCESS_TYPE, forbidden, deny);
            if rest > 0 {
                self.asm.jump(allow);
            } else {
                self.answer(allow, 1);
            }
        }
        let answers = [(allow, 1), (deny, 0)];
        let deny_first = self.asm.last_jump() == Some(deny);
        for (label, result) in if deny_first { [answers[1], answers[0]] } else { answers } {
            if self.asm.is_awaited(label) {
                self.answer(label, result);
            }
        }
    }

    fn answer(&mut self, label: Label, result: i32) {
        self.asm.bind(label);
        self.asm.mov(Reg::R0, result);
        self.asm.exit();
    }
}
