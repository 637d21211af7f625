//! Bytes to meaning: which instructions a device program may hold for us to understand it.

use thiserror::Error;

use super::arith::{AluOp, Cond, Width};
use super::insn::Insn;
use super::op::{Op, Reg, Size, Source};
use super::opcode::{
    ALU32, ALU64, ATOMIC, CALL, CLASS, CODE, EXIT, JA, JMP, JMP32, LD, LDDW, LDX, MEM, MODE, NEG,
    SIZE, SOURCE_REG, ST, STX,
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
    /// A load from the context that is not of a field.
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
    /// Memory is read through a register that does not hold the context.
    #[error("loads through r{0}, which does not hold the device context")]
    NoContext(u8),
    /// Memory is written.
    #[error("writes to memory")]
    Store,
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
            let op = wide(insn, insns.get(next)).map_err(problem)?;
            return Ok(Decoded { op, next: next + 1 });
        }
        LDX => load(insn).ok_or_else(unknown)?.map_err(problem)?,
        ST | STX => store(insn).ok_or_else(unknown)?.map_err(problem)?,
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

/// `BPF_PSEUDO_FUNC`.
const FUNCTION: u8 = 4;

fn wide(insn: Insn, second: Option<&Insn>) -> Result<Op, InsnProblem> {
    let dst = register(insn.dst())?;
    match (second, insn.src()) {
        (Some(second), 0) if second.code == 0 && second.dst() == 0 && second.src() == 0 => {
            let value = u64::from(second.imm as u32) << 32 | u64::from(insn.imm as u32);
            Ok(Op::LoadImm64 { dst, value })
        }
        // The address of a function, for a helper to call.
        (_, FUNCTION) => Err(InsnProblem::Function),
        (Some(second), kind) if second.code == 0 && kind != 0 => {
            Ok(Op::LoadObject { dst, kind, imm: insn.imm })
        }
        _ => Err(InsnProblem::HalfLoad),
    }
}

fn size(insn: Insn) -> Size {
    match insn.code & SIZE {
        0x00 => Size::Word,
        0x08 => Size::Half,
        0x10 => Size::Byte,
        _ => Size::Double,
    }
}

/// `None` stands for an unknown opcode, here and below.
fn load(insn: Insn) -> Option<Result<Op, InsnProblem>> {
    if insn.code & MODE != MEM {
        return None;
    }
    let (off, size) = (insn.off, size(insn));
    let op = || Ok(Op::Load { dst: register(insn.dst())?, base: register(insn.src())?, off, size });
    Some(op())
}

fn store(insn: Insn) -> Option<Result<Op, InsnProblem>> {
    let (off, size) = (insn.off, size(insn));
    let src = match (insn.code & CLASS, insn.code & MODE) {
        (ST, MEM) => Ok(Source::Imm(insn.imm)),
        (STX, MEM) => register(insn.src()).map(Source::Reg),
        (STX, ATOMIC) => return atomic(insn, size),
        _ => return None,
    };
    let op = || Ok(Op::Store { base: register(insn.dst())?, off, size, src: src? });
    Some(op())
}

/// RFC 9669, section 5.3: the immediate says what is done, and whether the old value is kept.
fn atomic(insn: Insn, size: Size) -> Option<Result<Op, InsnProblem>> {
    const FETCH: i32 = 0x01;
    const CMPXCHG: i32 = 0xf1;
    const XCHG: i32 = 0xe1;
    let known = [0x00, 0x40, 0x50, 0xa0].contains(&(insn.imm & !FETCH));
    if !matches!(size, Size::Word | Size::Double)
        || !(known || insn.imm == XCHG || insn.imm == CMPXCHG)
    {
        return None;
    }
    let op = || {
        let src = register(insn.src())?;
        let fetch = match insn.imm {
            CMPXCHG => Some(Reg::R0),
            imm => (imm & FETCH != 0).then_some(src),
        };
        Ok(Op::Atomic { base: register(insn.dst())?, off: insn.off, size, src, fetch })
    };
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
        // With a register for their operand they go where it says: `gotox` (`BPF_JA | BPF_X`).
        (JA | CALL | EXIT, _) if insn.code & SOURCE_REG != 0 => None,
        (JA, Width::W64) => Some(target(near).map(|target| Op::Jump { target })),
        (JA, Width::W32) => Some(target(far).map(|target| Op::Jump { target })),
        (CALL, Width::W64) if insn.src() == 0 => Some(Ok(Op::Call { helper: insn.imm })),
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
