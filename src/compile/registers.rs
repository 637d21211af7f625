//! What the registers of a compiled program hold, and how they are compared: R0 is
//! `1 << (major % 32)` until it takes the result.

use super::dag::Field;
use crate::bpf::{Cond, Reg};

pub(super) const ACCESS_TYPE: Reg = Reg::R2;
pub(super) const MAJOR: Reg = Reg::R3;
pub(super) const MINOR: Reg = Reg::R4;
pub(super) const MINOR_BIT: Reg = Reg::R5;
pub(super) const MAJOR_BIT: Reg = Reg::R0;

/// How a register is compared with a value: being that number, or, for a register with one bit
/// set, having this bit in the mask.
#[derive(Clone, Copy)]
pub(super) enum Test {
    Number(Field),
    Bit(Field),
}

impl Test {
    pub(super) fn is(self, value: u32) -> (Cond, Reg, u32) {
        match self {
            Test::Number(field) => (Cond::Eq, number(field), value),
            Test::Bit(field) => (Cond::Set, bit(field), value),
        }
    }

    pub(super) fn is_not(self, value: u32) -> (Cond, Reg, u32) {
        match self {
            Test::Number(field) => (Cond::Ne, number(field), value),
            Test::Bit(field) => (Cond::Set, bit(field), !value),
        }
    }
}

pub(super) fn number(field: Field) -> Reg {
    match field {
        Field::Major => MAJOR,
        Field::Minor => MINOR,
    }
}

fn bit(field: Field) -> Reg {
    match field {
        Field::Major => MAJOR_BIT,
        Field::Minor => MINOR_BIT,
    }
}
