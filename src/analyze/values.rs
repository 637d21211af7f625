//! What registers hold: expressions over the fields of the request.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::boxes::Field;
use crate::bpf::{AluOp, CtxField, Width};

/// Deeper expressions than device programs have; bounds the recursion over them.
const DEEPEST: u32 = 64;

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

struct Known {
    expr: Expr,
    depends: Depends,
    depth: u32,
}

/// All expressions of one analysis.
pub(super) struct Values {
    known: Vec<Known>,
    ids: HashMap<Expr, ValueId, BuildHasherDefault<DefaultHasher>>,
}

impl Values {
    pub(super) const NOTHING: ValueId = ValueId(0);
    pub(super) const CONTEXT: ValueId = ValueId(1);

    pub(super) fn new() -> Values {
        let mut values = Values { known: Vec::new(), ids: HashMap::default() };
        // In the order of the two names above.
        values.intern(Expr::Nothing, Depends::default(), 0);
        values.intern(Expr::Context, Depends::default(), 0);
        values
    }

    fn intern(&mut self, expr: Expr, depends: Depends, depth: u32) -> ValueId {
        *self.ids.entry(expr).or_insert_with(|| {
            self.known.push(Known { expr, depends, depth });
            ValueId(self.known.len() as u32 - 1)
        })
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
        self.intern(Expr::Constant(value), Depends::default(), 0)
    }

    pub(super) fn load(&mut self, field: CtxField) -> ValueId {
        let depends = match field {
            CtxField::AccessType { .. } => Depends { word: true, ..Depends::default() },
            CtxField::Major => Depends { major: true, ..Depends::default() },
            CtxField::Minor => Depends { minor: true, ..Depends::default() },
        };
        self.intern(Expr::Load(field), depends, 0)
    }

    /// `a op b`; `None` if that is deeper than an expression may be.
    pub(super) fn alu(
        &mut self,
        op: AluOp,
        width: Width,
        a: ValueId,
        b: ValueId,
    ) -> Option<ValueId> {
        if let (Expr::Constant(x), Expr::Constant(y)) = (self.expr(a), self.expr(b)) {
            return Some(self.constant(op.apply(width, x, y)));
        }
        // Context fields have 32 bits at most: moving one on 32 bits changes nothing.
        let narrow = matches!(self.expr(b), Expr::Load(_));
        if op == AluOp::Mov && (width == Width::W64 || narrow) {
            return Some(b);
        }
        let depth = 1 + self.known(a).depth.max(self.known(b).depth);
        if depth > DEEPEST {
            return None;
        }
        let depends = self.depends(a).union(self.depends(b));
        Some(self.intern(Expr::Alu { op, width, a, b }, depends, depth))
    }

    /// The value for one request.
    pub(super) fn value(&self, id: ValueId, fields: Fields) -> u64 {
        match self.expr(id) {
            // Only numbers are asked for.
            Expr::Nothing | Expr::Context => 0,
            Expr::Constant(value) => value,
            Expr::Load(field) => {
                u64::from(field.read(fields.access_type, fields.major, fields.minor))
            }
            Expr::Alu { op, width, a, b } => {
                op.apply(width, self.value(a, fields), self.value(b, fields))
            }
        }
    }
}
