//! What the observer's program is made of: a few instructions that belong together.

use super::program::Plan;
use crate::bpf::{AluOp, Assembler, Helper, Label, Object, Reg, Size, Source, Straight, Width};

/// The stack's address.
pub(super) const FRAME: Reg = Reg::R10;

/// `BPF_NOEXIST`: only if there is no such key.
const NOEXIST: i32 = 1;

/// The program as far as it is made.
pub(super) struct Code {
    pub asm: Assembler,
    pub plan: Plan,
    /// Allows the request.
    pub allow: Label,
    /// Makes a room, and ends.
    pub room: Label,
}

impl Code {
    pub fn copy(&mut self, dst: Reg, src: Reg) {
        self.asm.op(Straight::Alu(AluOp::Mov, Width::W64, dst, Source::Reg(src)));
    }

    pub fn call(&mut self, helper: Helper) {
        self.asm.op(Straight::Call(helper));
    }

    pub fn store(&mut self, size: Size, base: Reg, off: i16, src: Reg) {
        self.asm.op(Straight::Store(size, base, off, Source::Reg(src)));
    }

    pub fn store_constant(&mut self, size: Size, off: i16, imm: i32) {
        self.asm.op(Straight::Store(size, FRAME, off, Source::Imm(imm)));
    }

    /// `dst` = an address on the stack.
    pub fn address(&mut self, dst: Reg, off: i16) {
        self.copy(dst, FRAME);
        self.asm.op(Straight::Alu(AluOp::Add, Width::W64, dst, Source::Imm(off.into())));
    }

    pub fn look_up(&mut self, map: usize, key: i16) {
        self.asm.op(Straight::Map(Reg::R1, Object(map)));
        self.address(Reg::R2, key);
        self.call(Helper::MapLookupElem);
    }

    /// Makes an entry unless there is one.
    pub fn make(&mut self, map: usize, key: i16, value: i16) {
        self.asm.op(Straight::Map(Reg::R1, Object(map)));
        self.address(Reg::R2, key);
        self.address(Reg::R3, value);
        self.asm.mov(Reg::R4, NOEXIST);
        self.call(Helper::MapUpdateElem);
    }

    pub fn add(&mut self, base: Reg, off: i16, number: i32) {
        let one = Straight::Alu(AluOp::Mov, Width::W64, Reg::R1, Source::Imm(number));
        self.asm.op(one);
        self.asm.op(Straight::AtomicAdd(base, off, Reg::R1));
    }
}
