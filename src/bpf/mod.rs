//! The machine model of a device program: instructions, an assembler with labels, a decoder,
//! an interpreter and a disassembler. Pure: nothing here asks the kernel.
//!
//! Source: RFC 9669, "BPF Instruction Set Architecture (ISA)".

mod arith;
mod asm;
mod decode;
mod disasm;
mod insn;
mod interp;
mod op;
mod opcode;

pub use arith::{AluOp, Cond, Width};
pub use asm::{AssembleError, Assembler, Label};
pub use decode::{Decoded, InsnError, InsnProblem, decode};
pub use disasm::Line;
pub use insn::{Insn, Program, ProgramBytesError};
pub use interp::{Outcome, RunError, run};
pub use op::{CtxField, Op, Reg, Size, Source};
