//! Assembles instructions with labels. Jumps only lead forward and can't overflow their
//! 16 bits: where a label is too far ahead, an island (`goto label`) is put between.

use std::collections::VecDeque;

use thiserror::Error;

use super::arith::{AluOp, Cond};
use super::encode::{Straight, encode};
use super::insn::{Insn, Program};
use super::op::{CtxField, Reg};
use super::opcode;

/// A jump is brought to an island before it is this long, in instructions. What is left to
/// 32,767 is room for the islands themselves and for the code up to where one can stand.
const REACH: usize = 24_000;

const GOTO: Insn = Insn::new(opcode::JMP | opcode::JA, Reg::R0, Reg::R0, 0, 0);

/// A place in the program that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(usize);

/// Why no program came out.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AssembleError {
    /// A label that is jumped to was never bound.
    #[error("a jump at instruction {site} leads to a label that is nowhere")]
    Unbound {
        /// The jump.
        site: usize,
    },
    /// So many labels are waited for that their islands alone fill what a jump can reach.
    #[error("at instruction {site} more labels are waited for than jumps can reach")]
    TooManyLabels {
        /// Where the islands begin.
        site: usize,
    },
    /// A jump is longer than 16 bits can say.
    #[error("the jump from instruction {site} to {target} does not fit 16 bits")]
    TooFar {
        /// The jump.
        site: usize,
        /// Where it leads.
        target: usize,
    },
}

/// Builds a program front to back.
#[derive(Debug, Default)]
pub struct Assembler {
    insns: Vec<Insn>,
    /// For each label, the jumps to it that have no target yet.
    waiting: Vec<Vec<usize>>,
    /// All jumps in order, to find those that grow too long.
    pending: VecDeque<(usize, Label)>,
    /// The instruction that something was bound to last: it must stay where it is.
    bound: Option<usize>,
    /// The first thing that went wrong.
    problem: Option<AssembleError>,
}

impl Assembler {
    /// An empty program.
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// Instructions so far.
    pub fn len(&self) -> usize {
        self.insns.len()
    }

    /// Whether there is no instruction yet.
    pub fn is_empty(&self) -> bool {
        self.insns.is_empty()
    }

    /// A new label, to be bound once, ahead of every jump to it.
    pub fn label(&mut self) -> Label {
        self.waiting.push(Vec::new());
        Label(self.waiting.len() - 1)
    }

    /// Whether a jump waits for `label`.
    pub fn is_awaited(&self, label: Label) -> bool {
        !self.waiting[label.0].is_empty()
    }

    /// Where the program so far ends in a jump to, if it does and nothing was bound behind it.
    pub fn last_jump(&self) -> Option<Label> {
        let (site, label) = *self.pending.back()?;
        let last = site + 1 == self.insns.len() && self.insns[site].code == GOTO.code;
        (last && self.bound != Some(self.insns.len())).then_some(label)
    }

    /// The next instruction is what `label` stands for.
    pub fn bind(&mut self, label: Label) {
        self.drop_jump_to_next(label);
        let here = self.insns.len();
        for site in std::mem::take(&mut self.waiting[label.0]) {
            self.resolve(site, here);
        }
        self.bound = Some(here);
    }

    /// A jump to the instruction that follows it does nothing.
    fn drop_jump_to_next(&mut self, label: Label) {
        if self.last_jump() == Some(label) {
            self.pending.pop_back();
            self.waiting[label.0].pop();
            self.insns.pop();
        }
    }

    fn resolve(&mut self, site: usize, target: usize) {
        match i16::try_from(target - site - 1) {
            Ok(off) => self.insns[site].off = off,
            Err(_) => self.fail(AssembleError::TooFar { site, target }),
        }
    }

    fn fail(&mut self, problem: AssembleError) {
        self.problem.get_or_insert(problem);
    }

    /// `dst = ctx->field`, a 32-bit load.
    pub fn load(&mut self, dst: Reg, field: CtxField) {
        let off = match field {
            CtxField::AccessType { at, .. } => i16::from(at),
            CtxField::Major => 4,
            CtxField::Minor => 8,
        };
        self.insns.push(Insn::new(opcode::LDX | opcode::MEM, dst, Reg::R1, off, 0));
    }

    /// `dst = imm`, 32 bits.
    pub fn mov(&mut self, dst: Reg, imm: i32) {
        self.insns.push(Insn::new(opcode::ALU32 | AluOp::Mov.code(), dst, Reg::R0, 0, imm));
    }

    /// `dst <<= src`, 32 bits: the count is taken modulo 32.
    pub fn shift_left(&mut self, dst: Reg, src: Reg) {
        self.insns.push(Insn::new(
            opcode::ALU32 | opcode::SOURCE_REG | AluOp::Lsh.code(),
            dst,
            src,
            0,
            0,
        ));
    }

    /// Jumps to `label` if the condition holds for the lower 32 bits of `dst` and `imm`.
    pub fn branch(&mut self, cond: Cond, dst: Reg, imm: u32, label: Label) {
        self.jump_insn(Insn::new(cond.code() | opcode::JMP32, dst, Reg::R0, 0, imm as i32), label);
    }

    /// Jumps to `label`.
    pub fn jump(&mut self, label: Label) {
        self.jump_insn(GOTO, label);
        self.put_islands();
    }

    /// Ends the program with R0.
    pub fn exit(&mut self) {
        self.insns.push(Insn::new(opcode::JMP | opcode::EXIT, Reg::R0, Reg::R0, 0, 0));
        self.put_islands();
    }

    /// An operation that neither jumps nor ends the program.
    pub fn op(&mut self, op: Straight) {
        self.insns.extend(encode(op));
    }

    /// Jumps to `label` if the condition holds for `dst` and the sign-extended `imm`.
    pub fn branch64(&mut self, cond: Cond, dst: Reg, imm: i32, label: Label) {
        self.jump_insn(Insn::new(cond.code() | opcode::JMP, dst, Reg::R0, 0, imm), label);
    }

    /// Jumps to `label` if the condition holds for two registers.
    pub fn branch_on(&mut self, cond: Cond, dst: Reg, src: Reg, label: Label) {
        let code = cond.code() | opcode::JMP | opcode::SOURCE_REG;
        self.jump_insn(Insn::new(code, dst, src, 0, 0), label);
    }

    fn jump_insn(&mut self, insn: Insn, label: Label) {
        let site = self.insns.len();
        self.insns.push(insn);
        self.waiting[label.0].push(site);
        self.pending.push_back((site, label));
    }

    /// Called where nothing falls through, so that an island is reached by jumps alone.
    fn put_islands(&mut self) {
        if self.problem.is_some() {
            return;
        }
        let first = self.insns.len();
        while let Some(&(site, label)) = self.pending.front() {
            let sites = &self.waiting[label.0];
            // Sites are in order, so a jump that still waits is at or behind the first one.
            let waits = sites.binary_search(&site).is_ok();
            if waits && self.insns.len() - site < REACH {
                return;
            }
            if site >= first {
                // An island of this very row.
                return self.fail(AssembleError::TooManyLabels { site: first });
            }
            self.pending.pop_front();
            if waits {
                let island = self.insns.len();
                for site in std::mem::take(&mut self.waiting[label.0]) {
                    self.resolve(site, island);
                }
                self.jump_insn(GOTO, label);
                self.bound = Some(island);
            }
        }
    }

    /// The finished program.
    ///
    /// # Errors
    /// A jump without a target, or one that is too long: a mistake of the caller's.
    pub fn finish(self) -> Result<Program, AssembleError> {
        if let Some(error) = self.problem {
            return Err(error);
        }
        match self.waiting.iter().flatten().next() {
            Some(&site) => Err(AssembleError::Unbound { site }),
            None => Ok(Program::new(self.insns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A jump to each of so many labels, which are all bound after the last.
    fn waiting_for(count: usize) -> Result<Program, AssembleError> {
        let mut asm = Assembler::new();
        let labels: Vec<Label> = (0..count).map(|_| asm.label()).collect();
        for label in &labels {
            asm.branch(Cond::Eq, Reg::R0, 0, *label);
            asm.exit();
        }
        for label in labels {
            asm.bind(label);
        }
        asm.exit();
        asm.finish()
    }

    #[test]
    fn islands_have_an_end() {
        assert!(waiting_for(15_000).is_ok_and(|program| program.insns().len() > 30_000));
        let error = waiting_for(2 * REACH).expect_err("there is no room");
        assert!(matches!(error, AssembleError::TooManyLabels { .. }), "{error}");
    }
}
