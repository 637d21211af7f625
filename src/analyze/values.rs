//! What registers hold: expressions over the fields of the request.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::bpf::{AluOp, CtxField, Width};

/// An expression's name; equal expressions have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ValueId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Expr {
    /// Nothing was written to the register.
    Nothing,
    /// The context's address.
    Context,
    Constant(u64),
    Load(CtxField),
    /// Any number or address, a different one each time.
    Unknown(Origin),
    Alu {
        op: AluOp,
        width: Width,
        a: ValueId,
        b: ValueId,
    },
}

/// What an expression's value depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Depends {
    pub word: bool,
    pub major: bool,
    pub minor: bool,
}

impl Depends {
    pub(super) fn union(self, other: Depends) -> Depends {
        Depends {
            word: self.word || other.word,
            major: self.major || other.major,
            minor: self.minor || other.minor,
        }
    }
}

/// Where a value comes from that no request determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The stack's address, or one that is made of it.
    Stack,
    /// Memory that this instruction reads.
    Memory {
        /// The instruction.
        index: usize,
    },
    /// The helper function that this instruction calls.
    Helper {
        /// The instruction.
        index: usize,
        /// The call's immediate.
        helper: i32,
    },
    /// The address of a map or another kernel object, which this instruction loads.
    Object {
        /// The instruction.
        index: usize,
    },
}

struct Known {
    expr: Expr,
    depends: Depends,
}

/// All expressions of one analysis.
pub(super) struct Values {
    known: Vec<Known>,
    ids: HashMap<Expr, ValueId, BuildHasherDefault<DefaultHasher>>,
}

impl Values {
    /// About what one takes: itself, and its place in the table.
    pub(super) const BYTES: usize =
        2 * (size_of::<Known>() + size_of::<Expr>() + size_of::<ValueId>());

    pub(super) const NOTHING: ValueId = ValueId(0);
    pub(super) const CONTEXT: ValueId = ValueId(1);

    pub(super) fn new() -> Values {
        let mut values = Values { known: Vec::new(), ids: HashMap::default() };
        // In the order of the two names above.
        values.intern(Expr::Nothing, Depends::default());
        values.intern(Expr::Context, Depends::default());
        values
    }

    fn intern(&mut self, expr: Expr, depends: Depends) -> ValueId {
        *self.ids.entry(expr).or_insert_with(|| {
            self.known.push(Known { expr, depends });
            ValueId(self.known.len() as u32 - 1)
        })
    }

    /// Its place in an order in which every expression comes after those that it is made of.
    pub(super) const fn place(id: ValueId) -> usize {
        id.0 as usize
    }

    fn known(&self, id: ValueId) -> &Known {
        &self.known[id.0 as usize]
    }

    pub(super) fn expr(&self, id: ValueId) -> Expr {
        self.known(id).expr
    }

    pub(super) fn depends(&self, id: ValueId) -> Depends {
        self.known(id).depends
    }

    pub(super) fn is_number(&self, id: ValueId) -> bool {
        !matches!(self.expr(id), Expr::Nothing | Expr::Context)
    }

    pub(super) fn constant(&mut self, value: u64) -> ValueId {
        self.intern(Expr::Constant(value), Depends::default())
    }

    pub(super) fn unknown(&mut self, origin: Origin) -> ValueId {
        self.intern(Expr::Unknown(origin), Depends::default())
    }

    pub(super) fn origin(&self, id: ValueId) -> Option<Origin> {
        match self.expr(id) {
            Expr::Unknown(origin) => Some(origin),
            _ => None,
        }
    }

    /// How many expressions there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn load(&mut self, field: CtxField) -> ValueId {
        let depends = match field {
            CtxField::AccessType { .. } => Depends { word: true, ..Depends::default() },
            CtxField::Major => Depends { major: true, ..Depends::default() },
            CtxField::Minor => Depends { minor: true, ..Depends::default() },
        };
        self.intern(Expr::Load(field), depends)
    }

    /// `a op b`. An expression of something unknown is unknown.
    pub(super) fn alu(&mut self, op: AluOp, width: Width, a: ValueId, b: ValueId) -> ValueId {
        match (self.expr(a), self.expr(b)) {
            (_, Expr::Unknown(_)) => return b,
            (Expr::Unknown(_), _) if op != AluOp::Mov => return a,
            (Expr::Constant(x), Expr::Constant(y)) => return self.constant(op.apply(width, x, y)),
            // Context fields have 32 bits at most: moving one on 32 bits changes nothing.
            (_, Expr::Load(_)) if op == AluOp::Mov => return b,
            _ if op == AluOp::Mov && width == Width::W64 => return b,
            _ => {}
        }
        let depends = self.depends(a).union(self.depends(b));
        self.intern(Expr::Alu { op, width, a, b }, depends)
    }
}
