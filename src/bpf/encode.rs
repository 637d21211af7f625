//! From operations to instructions: those that programs of ours are made of besides jumps.

use super::arith::{AluOp, Width};
use super::helpers::Helper;
use super::insn::Insn;
use super::op::{Reg, Size, Source};
use super::opcode::{
    ALU32, ALU64, ATOMIC, BYTE, CALL, DOUBLE, HALF, JMP, LDDW, LDX, MEM, SOURCE_REG, ST, STX, WORD,
};

/// A kernel object that a program refers to, by its place in the list that the program is loaded
/// with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object(pub usize);

/// An operation after which the next instruction follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Straight {
    /// `dst op= src`.
    Alu(AluOp, Width, Reg, Source),
    /// `dst = *(base + off)`, zero-extended.
    Load(Size, Reg, Reg, i16),
    /// `*(base + off) = src`.
    Store(Size, Reg, i16, Source),
    /// `*(base + off) += src`, in one step; 8 bytes.
    AtomicAdd(Reg, i16, Reg),
    /// `dst = value`.
    Constant(Reg, u64),
    /// `dst = the map's address`.
    Map(Reg, Object),
    /// Calls a helper function.
    Call(Helper),
}

/// `BPF_PSEUDO_MAP_FD`: the immediate is a map's descriptor.
pub(crate) const MAP_FD: u8 = 1;

const fn width(width: Width) -> u8 {
    match width {
        Width::W32 => ALU32,
        Width::W64 => ALU64,
    }
}

const fn size(size: Size) -> u8 {
    match size {
        Size::Byte => BYTE,
        Size::Half => HALF,
        Size::Word => WORD,
        Size::Double => DOUBLE,
    }
}

/// The one or two instructions of an operation.
pub(super) fn encode(op: Straight) -> impl Iterator<Item = Insn> {
    use Straight::{Alu, AtomicAdd, Call, Constant, Load, Map, Store};
    const NONE: Reg = Reg::R0;
    let second = |imm| Some(Insn::new(0, NONE, NONE, 0, imm));
    let (first, second) = match op {
        Alu(op, of, dst, Source::Imm(imm)) => {
            (Insn::new(width(of) | op.code(), dst, NONE, 0, imm), None)
        }
        Alu(op, of, dst, Source::Reg(src)) => {
            (Insn::new(width(of) | op.code() | SOURCE_REG, dst, src, 0, 0), None)
        }
        Load(of, dst, base, off) => (Insn::new(LDX | MEM | size(of), dst, base, off, 0), None),
        Store(of, base, off, Source::Imm(imm)) => {
            (Insn::new(ST | MEM | size(of), base, NONE, off, imm), None)
        }
        Store(of, base, off, Source::Reg(src)) => {
            (Insn::new(STX | MEM | size(of), base, src, off, 0), None)
        }
        AtomicAdd(base, off, src) => (Insn::new(STX | ATOMIC | DOUBLE, base, src, off, 0), None),
        Constant(dst, value) => {
            (Insn::new(LDDW, dst, NONE, 0, value as i32), second((value >> 32) as i32))
        }
        // The objects of a program are few.
        Map(dst, Object(place)) => (Insn::object(dst, MAP_FD, place as i32), second(0)),
        Call(helper) => (Insn::new(JMP | CALL, NONE, NONE, 0, helper.number()), None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::{Op, decode};

    #[test]
    fn what_is_encoded_is_decoded() {
        let (dst, src, base) = (Reg::R3, Reg::R8, Reg::R6);
        for size in [Size::Byte, Size::Half, Size::Word, Size::Double] {
            same(Straight::Load(size, dst, base, 4), Op::Load { dst, base, off: 4, size });
            for src in [Source::Imm(-7), Source::Reg(src)] {
                same(Straight::Store(size, base, -8, src), Op::Store { base, off: -8, size, src });
            }
        }
        for op in AluOp::ALL {
            for width in [Width::W32, Width::W64] {
                for src in [Source::Imm(-7), Source::Reg(src)] {
                    same(Straight::Alu(op, width, dst, src), Op::Alu { op, width, dst, src });
                }
            }
        }
        let value = 0xfedc_ba98_7654_3210;
        same(Straight::Constant(dst, value), Op::LoadImm64 { dst, value });
        same(Straight::Map(dst, Object(2)), Op::LoadObject { dst, kind: MAP_FD, imm: 2 });
        same(Straight::Call(Helper::KtimeGetNs), Op::Call { helper: 5 });
        let atomic = Op::Atomic { base, off: 8, size: Size::Double, src, fetch: None };
        same(Straight::AtomicAdd(base, 8, src), atomic);
    }

    fn same(straight: Straight, op: Op) {
        let insns: Vec<Insn> = encode(straight).collect();
        let decoded = decode(&insns, 0).expect("it is an instruction");
        assert_eq!((decoded.op, decoded.next), (op, insns.len()), "{straight:?}");
    }
}
