//! Programs with one mistake.

use devgate::bpf::{Decoded, Insn, Op, Program, Reg, Source, decode};

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A jump leads one instruction further or less far.
    Offset,
    /// A condition is its opposite.
    Condition,
    /// A result is the other one.
    Result,
    /// An immediate is one more, one less, or one bit off.
    Immediate,
    /// An instruction is missing; jumps over it are right.
    Missing,
}

impl Kind {
    pub const ALL: [Kind; 5] =
        [Kind::Offset, Kind::Condition, Kind::Result, Kind::Immediate, Kind::Missing];

    /// Every program with one mistake of this kind.
    pub fn mutants(self, program: &Program) -> Vec<Program> {
        let insns = program.insns();
        let places = 0..insns.len();
        match self {
            Kind::Missing => places.map(|index| without(insns, index)).collect(),
            _ => places
                .flat_map(|index| {
                    let instead = move |insn| replaced(insns, index, insn);
                    self.others(insns, index).into_iter().map(instead)
                })
                .collect(),
        }
    }

    /// What may stand in the place of an instruction.
    fn others(self, insns: &[Insn], index: usize) -> Vec<Insn> {
        let insn = insns[index];
        let Ok(Decoded { op, .. }) = decode(insns, index) else { return Vec::new() };
        match (self, op) {
            (Kind::Offset, Op::Jump { .. } | Op::Branch { .. }) => {
                [-1, 1].map(|by| with(insn, |insn| insn.off += by)).to_vec()
            }
            (Kind::Condition, Op::Branch { .. }) => {
                vec![with(insn, |insn| insn.code = opposite(insn.code))]
            }
            (Kind::Result, Op::Alu { dst: Reg::R0, src: Source::Imm(imm @ 0..=1), .. }) => {
                vec![with(insn, |insn| insn.imm = 1 - imm)]
            }
            // Of a result only bit 0 counts.
            (Kind::Immediate, Op::Alu { dst: Reg::R0, src: Source::Imm(imm), .. }) => {
                [imm ^ 2, imm + 1, imm - 1].map(|imm| with(insn, |insn| insn.imm = imm)).to_vec()
            }
            (
                Kind::Immediate,
                Op::Branch { src: Source::Imm(imm), .. } | Op::Alu { src: Source::Imm(imm), .. },
            ) => immediates(imm).map(|imm| with(insn, |insn| insn.imm = imm)).collect(),
            _ => Vec::new(),
        }
    }
}

fn with(mut insn: Insn, change: impl Fn(&mut Insn)) -> Insn {
    change(&mut insn);
    insn
}

fn immediates(imm: i32) -> impl Iterator<Item = i32> {
    let bits = (0..32).map(move |bit| imm ^ 1 << bit);
    bits.chain([imm.wrapping_add(1), imm.wrapping_sub(1)])
}

/// The opcode with the opposite condition. "Any bit in common" has none: "equal" takes its
/// place.
fn opposite(code: u8) -> u8 {
    let other = match code & 0xf0 {
        0x10 => 0x50, // ==, !=
        0x50 => 0x10,
        0x20 => 0xb0, // >, <=
        0xb0 => 0x20,
        0x30 => 0xa0, // >=, <
        0xa0 => 0x30,
        0x40 => 0x10, // &
        other => panic!("compiled programs have no condition {other:#x}"),
    };
    code & 0x0f | other
}

fn replaced(insns: &[Insn], index: usize, insn: Insn) -> Program {
    let mut insns = insns.to_vec();
    insns[index] = insn;
    Program::new(insns)
}

fn without(insns: &[Insn], index: usize) -> Program {
    let mut rest = insns.to_vec();
    for (place, insn) in rest[..index].iter_mut().enumerate() {
        match decode(insns, place).map(|decoded| decoded.op) {
            Ok(Op::Jump { target } | Op::Branch { target, .. }) if target > index => insn.off -= 1,
            _ => {}
        }
    }
    rest.remove(index);
    Program::new(rest)
}
