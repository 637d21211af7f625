//! Runs a device program on one request, as the kernel would.

use thiserror::Error;

use super::arith::{AluOp, Width};
use super::decode::{InsnError, InsnProblem, decode};
use super::insn::Program;
use super::op::{CtxField, Op, Reg, Size, Source};
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
    /// An address in memory, which is the world's.
    Address,
    Number(u64),
}

/// What a program meets outside of itself and of its request.
pub trait World {
    /// What a helper returns.
    ///
    /// # Errors
    /// There are none here.
    fn call(&mut self, helper: i32) -> Result<u64, InsnProblem>;

    /// What memory holds at the address in this register.
    ///
    /// # Errors
    /// There is none here.
    fn load(&mut self, base: Reg) -> Result<u64, InsnProblem>;

    /// Whether memory may be written.
    ///
    /// # Errors
    /// There is none here.
    fn store(&mut self) -> Result<(), InsnProblem>;

    /// Whether there are maps and other kernel objects.
    ///
    /// # Errors
    /// There are none here.
    fn object(&mut self) -> Result<(), InsnProblem>;
}

/// Neither helpers nor memory.
struct Nothing;

impl World for Nothing {
    fn call(&mut self, helper: i32) -> Result<u64, InsnProblem> {
        Err(InsnProblem::Helper(helper))
    }

    fn load(&mut self, base: Reg) -> Result<u64, InsnProblem> {
        Err(InsnProblem::NoContext(base.number()))
    }

    fn store(&mut self) -> Result<(), InsnProblem> {
        Err(InsnProblem::Store)
    }

    fn object(&mut self) -> Result<(), InsnProblem> {
        Err(InsnProblem::Map)
    }
}

/// Runs `program` on `request`, without helpers and memory.
///
/// # Errors
/// The instruction that can't be executed: see [`InsnProblem`].
pub fn run(program: &Program, request: &Request) -> Result<Outcome, RunError> {
    run_in(&mut Nothing, program, request)
}

/// Runs `program` on `request` in a world.
///
/// # Errors
/// The instruction that can't be executed: see [`InsnProblem`].
pub fn run_in(
    world: &mut dyn World,
    program: &Program,
    request: &Request,
) -> Result<Outcome, RunError> {
    let mut registers = Registers([Value::None; Reg::COUNT]);
    registers.set(Reg::R1, Value::Context);
    registers.set(Reg::R10, Value::Address);
    let mut index = 0;
    let mut executed = 0;
    loop {
        let decoded = decode(program.insns(), index)?;
        let problem = |problem| InsnError { index, problem };
        executed += 1;
        let mut next = decoded.next;
        match decoded.op {
            Op::Alu { op, width, dst, src } => {
                let value = registers.alu(op, width, dst, src).map_err(problem)?;
                registers.set(dst, value);
            }
            Op::Neg { width, dst } => {
                let old = registers.number(dst).map_err(problem)?;
                registers.set(dst, Value::Number(AluOp::Sub.apply(width, 0, old)));
            }
            Op::Load { dst, base, off, size } => {
                let value = match registers.get(base) {
                    Value::Context => field(request, off, size).map_err(problem)?,
                    Value::None => {
                        return Err(problem(InsnProblem::NoContext(base.number())).into());
                    }
                    _ => world.load(base).map_err(problem)?,
                };
                registers.set(dst, Value::Number(value));
            }
            Op::Store { .. } => world.store().map_err(problem)?,
            Op::Atomic { base, fetch, .. } => {
                world.store().map_err(problem)?;
                if let Some(dst) = fetch {
                    registers.set(dst, Value::Number(world.load(base).map_err(problem)?));
                }
            }
            Op::LoadObject { dst, .. } => {
                world.object().map_err(problem)?;
                registers.set(dst, Value::Address);
            }
            Op::Call { helper } => {
                let result = world.call(helper).map_err(problem)?;
                registers.0[1..6].fill(Value::None);
                registers.set(Reg::R0, Value::Number(result));
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

fn field(request: &Request, off: i16, size: Size) -> Result<u64, InsnProblem> {
    let field = CtxField::at(off, size).ok_or(InsnProblem::Load { off, bytes: size.bytes() })?;
    Ok(u64::from(field.read(request.access_type(), request.major, request.minor)))
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
            Value::None | Value::Context | Value::Address => {
                Err(InsnProblem::NoNumber(register.number()))
            }
        }
    }

    fn alu(&self, op: AluOp, width: Width, dst: Reg, src: Source) -> Result<Value, InsnProblem> {
        match (op, width, self.get(dst), src) {
            (AluOp::Mov, Width::W64, _, Source::Reg(src)) => Ok(self.get(src)),
            // A move doesn't read what it overwrites.
            (AluOp::Mov, ..) => Ok(Value::Number(op.apply(width, 0, self.source(src, width)?))),
            (AluOp::Add | AluOp::Sub, Width::W64, Value::Address, Source::Imm(_)) => {
                Ok(Value::Address)
            }
            _ => {
                let old = self.number(dst)?;
                Ok(Value::Number(op.apply(width, old, self.source(src, width)?)))
            }
        }
    }

    fn source(&self, source: Source, width: Width) -> Result<u64, InsnProblem> {
        match source {
            Source::Imm(imm) => Ok(width.immediate(imm)),
            Source::Reg(register) => self.number(register),
        }
    }
}
