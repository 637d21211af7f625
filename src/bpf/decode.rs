//! Bytes to meaning: which instructions a device program may hold for us to understand it.

use thiserror::Error;

use super::arith::{AluOp, Cond, Width};
use super::insn::Insn;
use super::op::{CtxField, Op, Reg, Size, Source};
use super::opcode::{
    ALU32, ALU64, CALL, CLASS, CODE, EXIT, JA, JMP, JMP32, LD, LDDW, LDX, MEM, MODE, NEG, SIZE,
    SOURCE_REG,
};

/// Why one instruction can't be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("instruction {index}: {problem}")]
pub struct InsnError {
    /// Its place in the program.
    pub index: usize,
    /// What is the matter.
    pub problem: InsnProblem,
}

/// What is the matter with an instruction.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InsnProblem {
    /// An opcode outside what device programs are known to use.
    #[error("unknown opcode {code:#04x} (offset {off}, immediate {imm:#x})")]
    Opcode {
        /// Opcode.
        code: u8,
        /// Offset field.
        off: i16,
        /// Immediate field.
        imm: i32,
    },
    /// A call of a helper: its number, or what the kernel has made of that in a loaded program.
    #[error("calls a helper function ({0})")]
    Helper(i32),
    /// A call of another function of the program or of the kernel.
    #[error("calls a function")]
    Function,
    /// A 64-bit load that stands for a map or another kernel object.
    #[error("refers to a map or another kernel object")]
    Map,
    /// A register number past r10.
    #[error("register r{0} does not exist")]
    Register(u8),
    /// A load that is not of a field of the context.
    #[error("loads {bytes} bytes at offset {off}, which is no field of the device context")]
    Load {
        /// Offset.
        off: i16,
        /// Bytes.
        bytes: u8,
    },
    /// A jump backwards: a loop.
    #[error("jumps backwards, which may be a loop")]
    Loop,
    /// A jump, or the end of the program, that leads outside of it.
    #[error("goes on outside of the program")]
    Outside,
    /// The second half of a 64-bit load is missing or malformed.
    #[error("is a 64-bit load without its second half")]
    HalfLoad,
    /// A register that holds no value yet, or an address where a number is needed.
    #[error("reads r{0}, which holds no number there")]
    NoNumber(u8),
    /// A load through a register that does not hold the context.
    #[error("loads through r{0}, which does not hold the device context")]
    NoContext(u8),
}

/// One instruction, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What it does.
    pub op: Op,
    /// The instruction that follows it in the program: 1 further, or 2 for a 64-bit load.
    pub next: usize,
}

/// The instruction at `index` of `insns`.
///
/// Only jumps forward are taken, so whoever follows [`Decoded::next`] and targets comes to an
/// end.
///
/// # Errors
/// Names the instruction and what is not understood about it.
pub fn decode(insns: &[Insn], index: usize) -> Result<Decoded, InsnError> {
    let problem = |problem| InsnError { index, problem };
    let insn = *insns.get(index).ok_or_else(|| problem(InsnProblem::Outside))?;
    let unknown = || problem(InsnProblem::Opcode { code: insn.code, off: insn.off, imm: insn.imm });
    let next = index + 1;
    let op = match insn.code & CLASS {
        LD if insn.code == LDDW => {
            let value = wide_immediate(insn, insns.get(next)).map_err(problem)?;
            return Ok(Decoded {
                op: Op::LoadImm64 { dst: register(insn.dst()).map_err(problem)?, value },
                next: next + 1,
            });
        }
        LDX => load(insn).ok_or_else(unknown)?.map_err(problem)?,
        ALU32 => alu(insn, Width::W32).ok_or_else(unknown)?.map_err(problem)?,
        ALU64 => alu(insn, Width::W64).ok_or_else(unknown)?.map_err(problem)?,
        JMP => jump(insn, next, insns.len(), Width::W64).ok_or_else(unknown)?.map_err(problem)?,
        JMP32 => jump(insn, next, insns.len(), Width::W32).ok_or_else(unknown)?.map_err(problem)?,
        _ => return Err(unknown()),
    };
    Ok(Decoded { op, next })
}

fn register(number: u8) -> Result<Reg, InsnProblem> {
    Reg::from_number(number).ok_or(InsnProblem::Register(number))
}

fn wide_immediate(insn: Insn, second: Option<&Insn>) -> Result<u64, InsnProblem> {
    if insn.src() != 0 {
        return Err(InsnProblem::Map);
    }
    match second {
        Some(second) if second.code == 0 && second.dst() == 0 && second.src() == 0 => {
            Ok(u64::from(second.imm as u32) << 32 | u64::from(insn.imm as u32))
        }
        _ => Err(InsnProblem::HalfLoad),
    }
}

/// `None` stands for an unknown opcode, here and below.
fn load(insn: Insn) -> Option<Result<Op, InsnProblem>> {
    let (size, bytes) = match insn.code & SIZE {
        0x00 => (Some(Size::Word), 4),
        0x08 => (Some(Size::Half), 2),
        0x10 => (Some(Size::Byte), 1),
        _ => (None, 8),
    };
    if insn.code & MODE != MEM {
        return None;
    }
    let at = u8::try_from(insn.off).ok();
    let field = match (at, size) {
        (Some(at @ 0..=3), Some(size)) if at % size.bytes() == 0 => {
            CtxField::AccessType { at, size }
        }
        (Some(4), Some(Size::Word)) => CtxField::Major,
        (Some(8), Some(Size::Word)) => CtxField::Minor,
        _ => return Some(Err(InsnProblem::Load { off: insn.off, bytes })),
    };
    let op = || Ok(Op::Load { dst: register(insn.dst())?, base: register(insn.src())?, field });
    Some(op())
}

fn source(insn: Insn) -> Result<Source, InsnProblem> {
    match insn.code & SOURCE_REG {
        0 => Ok(Source::Imm(insn.imm)),
        _ => register(insn.src()).map(Source::Reg),
    }
}

fn alu(insn: Insn, width: Width) -> Option<Result<Op, InsnProblem>> {
    // An offset selects a sign-extending move or a signed division.
    if insn.off != 0 {
        return None;
    }
    let code = insn.code & CODE;
    if code == NEG {
        return Some(register(insn.dst()).map(|dst| Op::Neg { width, dst }));
    }
    let op = AluOp::ALL.into_iter().find(|op| op.code() == code)?;
    let decoded = || Ok(Op::Alu { op, width, dst: register(insn.dst())?, src: source(insn)? });
    Some(decoded())
}

fn jump(insn: Insn, next: usize, len: usize, width: Width) -> Option<Result<Op, InsnProblem>> {
    let target = |distance: i64| {
        // Lengths are far below i64::MAX: a program has at most a million instructions.
        let target = usize::try_from(next as i64 + distance).map_err(|_| InsnProblem::Outside)?;
        match target {
            target if target >= len => Err(InsnProblem::Outside),
            target if target < next => Err(InsnProblem::Loop),
            target => Ok(target),
        }
    };
    let far = i64::from(insn.imm);
    let near = i64::from(insn.off);
    match (insn.code & CODE, width) {
        (JA, Width::W64) => Some(target(near).map(|target| Op::Jump { target })),
        (JA, Width::W32) => Some(target(far).map(|target| Op::Jump { target })),
        (CALL, Width::W64) if insn.src() == 0 => Some(Err(InsnProblem::Helper(insn.imm))),
        (CALL, Width::W64) => Some(Err(InsnProblem::Function)),
        (EXIT, Width::W64) => Some(Ok(Op::Exit)),
        (code, width) => {
            let cond = Cond::ALL.into_iter().find(|cond| cond.code() == code)?;
            let decoded = || {
                Ok(Op::Branch {
                    cond,
                    width,
                    dst: register(insn.dst())?,
                    src: source(insn)?,
                    target: target(near)?,
                })
            };
            Some(decoded())
        }
    }
}
