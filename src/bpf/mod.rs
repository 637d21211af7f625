//! The machine model of a device program: instructions, an assembler with labels, a decoder,
//! an interpreter and a disassembler. Pure: nothing here asks the kernel.
//!
//! Source: RFC 9669, "BPF Instruction Set Architecture (ISA)".

mod arith;
mod asm;
mod decode;
mod disasm;
mod helpers;
mod insn;
mod interp;
mod names;
mod op;
mod opcode;

pub use arith::{AluOp, Cond, Width};
pub use asm::{AssembleError, Assembler, Label};
pub use decode::{Decoded, InsnError, InsnProblem, decode};
pub use disasm::Line;
pub use helpers::{ByNumber, Effect, Helpers, RetvalCall, RetvalCause, effect, retval_call};
pub use insn::{Insn, Program, ProgramBytesError};
pub use interp::{Outcome, RunError, World, run, run_in};
pub use op::{CtxField, Op, Reg, Size, Source};
