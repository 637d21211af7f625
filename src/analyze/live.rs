//! Which registers count at an instruction.

use crate::bpf::{AluOp, Decoded, Insn, Op, Reg, Source, decode};

/// r0 to r5, which a call may change.
const CALL_WRITES: u16 = 0b11_1111;

/// Backwards over the program: a bit for each register that is read before it is written. An
/// instruction that is not understood counts as reading everything.
pub(super) fn live_registers(insns: &[Insn]) -> Vec<u16> {
    let bit = |register: Reg| 1u16 << register.index();
    let reads = |source| match source {
        Source::Reg(register) => bit(register),
        Source::Imm(_) => 0,
    };
    let mut live = vec![u16::MAX; insns.len()];
    for index in (0..insns.len()).rev() {
        let Ok(Decoded { op, next }) = decode(insns, index) else { continue };
        let after = |index: usize| live.get(index).copied().unwrap_or(0);
        live[index] = match op {
            Op::Alu { op: AluOp::Mov, dst, src, .. } => after(next) & !bit(dst) | reads(src),
            Op::Alu { dst, src, .. } => after(next) | bit(dst) | reads(src),
            Op::Neg { dst, .. } => after(next) | bit(dst),
            Op::Load { dst, base, .. } => after(next) & !bit(dst) | bit(base),
            Op::LoadImm64 { dst, .. } | Op::LoadObject { dst, .. } => after(next) & !bit(dst),
            // Where to and what is written makes no difference, as memory is not kept track of.
            Op::Store { .. } => after(next),
            Op::Atomic { fetch, .. } => after(next) & !fetch.map_or(0, bit),
            // Addresses and sizes that a helper gets make no difference either.
            Op::Call { .. } => after(next) & !CALL_WRITES,
            Op::Jump { target } => after(target),
            Op::Branch { dst, src, target, .. } => {
                after(next) | after(target) | bit(dst) | reads(src)
            }
            Op::Exit => bit(Reg::R0),
        };
    }
    live
}
