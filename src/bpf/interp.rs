//! Runs a device program on one request, as the kernel would.

use thiserror::Error;

use super::arith::{AluOp, Width};
use super::decode::{InsnError, InsnProblem, decode};
use super::insn::Program;
use super::op::{Op, Reg, Source};
use crate::device::Request;

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the request passes: bit 0 of the result (`bpf_prog_run_array_cg`).
    pub allowed: bool,
    /// Instructions executed; a 64-bit load counts as one.
    pub executed: usize,
}

/// Why a program can't be run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the program can't be run")]
pub struct RunError(#[from] pub InsnError);

#[derive(Clone, Copy)]
enum Value {
    None,
    Context,
    Number(u64),
}

/// Runs `program` on `request`.
///
/// # Errors
/// The instruction that can't be executed: see [`InsnProblem`].
pub fn run(program: &Program, request: &Request) -> Result<Outcome, RunError> {
    let mut registers = Registers([Value::None; Reg::COUNT]);
    registers.set(Reg::R1, Value::Context);
    let mut index = 0;
    let mut executed = 0;
    loop {
        let decoded = decode(program.insns(), index)?;
        let problem = |problem| InsnError { index, problem };
        executed += 1;
        let mut next = decoded.next;
        match decoded.op {
            Op::Alu { op, width, dst, src } => {
                // A move doesn't read what it overwrites.
                let old =
                    if op == AluOp::Mov { 0 } else { registers.number(dst).map_err(problem)? };
                let value = match (op, width, src) {
                    (AluOp::Mov, Width::W64, Source::Reg(src)) => registers.get(src),
                    _ => {
                        let src = registers.source(src, width).map_err(problem)?;
                        Value::Number(op.apply(width, old, src))
                    }
                };
                registers.set(dst, value);
            }
            Op::Neg { width, dst } => {
                let old = registers.number(dst).map_err(problem)?;
                registers.set(dst, Value::Number(AluOp::Sub.apply(width, 0, old)));
            }
            Op::Load { dst, base, field } => {
                let Value::Context = registers.get(base) else {
                    return Err(problem(InsnProblem::NoContext(base.number())).into());
                };
                let value = field.read(request.access_type(), request.major, request.minor);
                registers.set(dst, Value::Number(u64::from(value)));
            }
            Op::LoadImm64 { dst, value } => registers.set(dst, Value::Number(value)),
            Op::Jump { target } => next = target,
            Op::Branch { cond, width, dst, src, target } => {
                let dst = registers.number(dst).map_err(problem)?;
                let src = registers.source(src, width).map_err(problem)?;
                if cond.holds(width, dst, src) {
                    next = target;
                }
            }
            Op::Exit => {
                let result = registers.number(Reg::R0).map_err(problem)?;
                return Ok(Outcome { allowed: result & 1 == 1, executed });
            }
        }
        index = next;
    }
}

struct Registers([Value; Reg::COUNT]);

impl Registers {
    fn get(&self, register: Reg) -> Value {
        self.0[register.index()]
    }

    fn set(&mut self, register: Reg, value: Value) {
        self.0[register.index()] = value;
    }

    fn number(&self, register: Reg) -> Result<u64, InsnProblem> {
        match self.get(register) {
            Value::Number(number) => Ok(number),
            Value::None | Value::Context => Err(InsnProblem::NoNumber(register.number())),
        }
    }

    fn source(&self, source: Source, width: Width) -> Result<u64, InsnProblem> {
        match source {
            Source::Imm(imm) => Ok(width.immediate(imm)),
            Source::Reg(register) => self.number(register),
        }
    }
}
