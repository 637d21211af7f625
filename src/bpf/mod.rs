//! The machine model of a device program: instructions, an assembler with labels, a decoder,
//! an interpreter and a disassembler. Pure: nothing here asks the kernel.
//!
//! Source: RFC 9669, "BPF Instruction Set Architecture (ISA)".

mod arith;
mod asm;
mod decode;
mod disasm;
mod encode;
mod helpers;
mod insn;
mod interp;
mod map;
mod names;
mod op;
mod opcode;

pub use arith::{AluOp, Cond, Width};
pub use asm::{AssembleError, Assembler, Label};
pub use decode::{Decoded, InsnError, InsnProblem, decode};
pub use disasm::Line;
pub(crate) use encode::MAP_FD;
pub use encode::{Object, Straight};
pub use helpers::{
    ByNumber, Effect, Helper, Helpers, RetvalCall, RetvalCause, effect, retval_call,
};
pub use insn::{Insn, Program, ProgramBytesError};
pub use interp::{Outcome, RunError, World, run, run_in};
pub use map::MapShape;
pub use op::{CtxField, Op, Reg, Size, Source};
