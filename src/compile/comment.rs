//! What an instruction of a compiled program is for, by the registers that `emit` uses.

use super::registers::{ACCESS_TYPE, MAJOR, MAJOR_BIT, MINOR, MINOR_BIT};
use crate::bpf::{AluOp, Cond, CtxField, Op, Reg, Source};
use crate::device::{Access, DeviceType};

/// A comment for an instruction of a program that [`super::compile`] made; `None` where the
/// instruction speaks for itself.
pub fn comment(op: Op) -> Option<String> {
    match op {
        Op::Load { off, size, .. } => Some(
            match CtxField::at(off, size)? {
                CtxField::AccessType { .. } => "access << 16 | type",
                CtxField::Major => "major",
                CtxField::Minor => "minor",
            }
            .into(),
        ),
        Op::Alu { op: AluOp::Lsh, dst: MINOR_BIT, .. } => Some("1 << (minor % 32)".into()),
        Op::Alu { op: AluOp::Lsh, dst: MAJOR_BIT, .. } => Some("1 << (major % 32)".into()),
        Op::Alu { op: AluOp::Mov, dst: Reg::R0, src: Source::Imm(0), .. } => Some("deny".into()),
        Op::Alu { op: AluOp::Mov, dst: Reg::R0, src: Source::Imm(1), .. } => {
            Some("allow, or the bit to shift".into())
        }
        Op::Branch { cond, dst, src: Source::Imm(imm), .. } => branch(cond, dst, imm as u32),
        _ => None,
    }
}

fn branch(cond: Cond, register: Reg, value: u32) -> Option<String> {
    match (cond, register) {
        (Cond::Set, ACCESS_TYPE) if value == DeviceType::Block.kernel_bit() => {
            Some("a block device".into())
        }
        (Cond::Set, ACCESS_TYPE) => {
            let forbidden = Access::from_kernel_bits(value >> 16)?;
            Some(format!("asks for any of {forbidden}"))
        }
        (Cond::Set, MINOR_BIT) => Some(format!("minor % 32 in {}", members(value))),
        (Cond::Set, MAJOR_BIT) => Some(format!("major % 32 in {}", members(value))),
        (_, MAJOR) => Some(format!("major {} {value}", relation(cond)?)),
        (_, MINOR) => Some(format!("minor {} {value}", relation(cond)?)),
        _ => None,
    }
}

fn relation(cond: Cond) -> Option<&'static str> {
    match cond {
        Cond::Eq => Some("is"),
        Cond::Ne => Some("is not"),
        Cond::Lt => Some("below"),
        Cond::Ge => Some("at least"),
        _ => None,
    }
}

fn members(mask: u32) -> String {
    let members: Vec<String> =
        (0..32).filter(|bit| mask >> bit & 1 == 1).map(|bit: u32| bit.to_string()).collect();
    format!("{{{}}}", members.join(","))
}
