//! Where a program reads and writes, and which functions it calls: for programs that keep counts.
//!
//! A pass of its own, from the first instruction to the last, since jumps lead forward. Each
//! register holds an address that is known exactly or nothing that counts: what two ways disagree
//! on is forgotten, and so is an address that was stored and is read again.

use thiserror::Error;

use crate::bpf::{
    AluOp, Cond, CtxField, Helper, Insn, InsnError, InsnProblem, MAP_FD, MapShape, Op, Program,
    Reg, Size, Source, Width, decode,
};

/// Bytes of a program's stack (`MAX_BPF_STACK`).
const STACK: i64 = 512;

/// Why a program's use of memory is not accepted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("instruction {index}: {problem}")]
pub struct MemoryError {
    /// The instruction.
    pub index: usize,
    /// What is wrong with it.
    pub problem: MemoryProblem,
}

/// What is wrong with an instruction.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MemoryProblem {
    /// It is not understood.
    #[error("{0}")]
    Insn(InsnProblem),
    /// It calls a helper function that is not on the list.
    #[error("calls helper function {0}, which is not on the list")]
    Helper(i32),
    /// It reads or writes where it may not.
    #[error(
        "uses {bytes} bytes through r{register}, which are neither of the stack nor of a value"
    )]
    Place {
        /// The register with the address.
        register: u8,
        /// How many.
        bytes: i64,
    },
    /// A helper function wants something else.
    #[error("calls a helper function with r{0} that does not hold what it wants")]
    Argument(u8),
    /// It refers to an object that is not in the program's list of maps.
    #[error("refers to an object that is not in the list of maps")]
    Object,
}

/// What a register holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Held {
    /// A number that counts for nothing here, or nothing.
    #[default]
    Other,
    Number(u64),
    Context,
    /// An address of the stack, from its end on: negative.
    Stack(i64),
    Map(usize),
    /// What this call of map_lookup_elem returned: the address of a value, or null.
    Looked {
        call: usize,
        value: u16,
    },
    /// An address in a map's value.
    Value {
        bytes: u16,
        off: i64,
    },
}

type Registers = [Held; Reg::COUNT];

/// Checks that `program` calls only functions of [`Helper`], with the arguments that they want,
/// and that it writes only to its stack and to values of its maps, after it was checked that there
/// is a value.
///
/// # Errors
/// The first instruction that does otherwise.
pub fn check_memory(program: &Program, maps: &[MapShape]) -> Result<(), MemoryError> {
    let insns = program.insns();
    let mut pass = Pass { insns, maps, arrived: vec![None; insns.len()] };
    let mut registers = Registers::default();
    registers[Reg::R1.index()] = Held::Context;
    registers[Reg::R10.index()] = Held::Stack(0);
    pass.arrive(0, 0, registers)?;
    for index in 0..insns.len() {
        if let Some(registers) = pass.arrived[index].take() {
            pass.step(index, registers)?;
        }
    }
    Ok(())
}

struct Pass<'p> {
    insns: &'p [Insn],
    maps: &'p [MapShape],
    /// What the registers hold before each instruction, on all ways that lead there so far.
    arrived: Vec<Option<Registers>>,
}

impl Pass<'_> {
    fn arrive(&mut self, from: usize, to: usize, registers: Registers) -> Result<(), MemoryError> {
        let outside = MemoryProblem::Insn(InsnProblem::Outside);
        let place =
            self.arrived.get_mut(to).ok_or(MemoryError { index: from, problem: outside })?;
        match place {
            None => *place = Some(registers),
            Some(other) => {
                for (held, new) in other.iter_mut().zip(registers) {
                    if *held != new {
                        *held = Held::Other;
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, index: usize, mut registers: Registers) -> Result<(), MemoryError> {
        let decoded = decode(self.insns, index).map_err(|InsnError { index, problem }| {
            MemoryError { index, problem: MemoryProblem::Insn(problem) }
        })?;
        match decoded.op {
            Op::Exit => Ok(()),
            Op::Jump { target } => self.arrive(index, target, registers),
            Op::Branch { cond, width, dst, src, target } => {
                let null = (width, src) == (Width::W64, Source::Imm(0));
                let looked = Some(registers[dst.index()]).filter(|_| null);
                let [taken, not] = match cond {
                    Cond::Eq => [false, true],
                    Cond::Ne => [true, false],
                    _ => [false, false],
                };
                self.arrive(index, target, checked(registers, looked.filter(|_| taken)))?;
                self.arrive(index, decoded.next, checked(registers, looked.filter(|_| not)))
            }
            op => {
                self.assign(index, op, &mut registers)
                    .map_err(|problem| MemoryError { index, problem })?;
                self.arrive(index, decoded.next, registers)
            }
        }
    }

    fn assign(&self, index: usize, op: Op, registers: &mut Registers) -> Result<(), MemoryProblem> {
        let of = |register: Reg| registers[register.index()];
        let (dst, held) = match op {
            Op::Alu { op, width, dst, src } => {
                let src = match src {
                    Source::Imm(imm) => Held::Number(width.immediate(imm)),
                    Source::Reg(register) => of(register),
                };
                (dst, computed(op, width, of(dst), src))
            }
            Op::Neg { dst, .. } => (dst, Held::Other),
            Op::Load { dst, base, off, size } => {
                match (of(base), CtxField::at(off, size)) {
                    (Held::Context, Some(_)) => {}
                    (held, _) => within(held, off.into(), bytes(size), base)?,
                }
                (dst, Held::Other)
            }
            Op::LoadImm64 { dst, value } => (dst, Held::Number(value)),
            Op::LoadObject { dst, kind: MAP_FD, imm } => {
                let place = usize::try_from(imm).ok().filter(|place| *place < self.maps.len());
                (dst, Held::Map(place.ok_or(MemoryProblem::Object)?))
            }
            Op::LoadObject { .. } => return Err(MemoryProblem::Object),
            Op::Store { base, off, size, .. } => {
                return within(of(base), off.into(), bytes(size), base);
            }
            Op::Atomic { base, off, size, fetch, .. } => {
                within(of(base), off.into(), bytes(size), base)?;
                match fetch {
                    Some(dst) => (dst, Held::Other),
                    None => return Ok(()),
                }
            }
            Op::Call { helper } => {
                let returned = self.call(index, helper, registers)?;
                registers[Reg::R0.index()..=Reg::R5.index()].fill(Held::Other);
                (Reg::R0, returned)
            }
            Op::Jump { .. } | Op::Branch { .. } | Op::Exit => return Ok(()),
        };
        registers[dst.index()] = held;
        Ok(())
    }

    /// Checks a call's arguments; what it returns.
    fn call(
        &self,
        index: usize,
        number: i32,
        registers: &Registers,
    ) -> Result<Held, MemoryProblem> {
        let helper = Helper::of_number(number).ok_or(MemoryProblem::Helper(number))?;
        let of = |register: Reg| registers[register.index()];
        let hash = || match of(Reg::R1) {
            Held::Map(place) => match self.maps.get(place) {
                Some(MapShape::Hash { key, value }) => Ok((*key, *value)),
                _ => Err(MemoryProblem::Argument(1)),
            },
            _ => Err(MemoryProblem::Argument(1)),
        };
        let memory = |register: Reg, bytes: i64| within(of(register), 0, bytes, register);
        let sized = |register: Reg, length: Reg| match of(length) {
            Held::Number(bytes @ 1..=512) => memory(register, bytes as i64),
            _ => Err(MemoryProblem::Argument(length.number())),
        };
        match helper {
            Helper::MapLookupElem => {
                let (key, value) = hash()?;
                memory(Reg::R2, key.into())?;
                return Ok(Held::Looked { call: index, value });
            }
            Helper::MapUpdateElem => {
                let (key, value) = hash()?;
                memory(Reg::R2, key.into())?;
                memory(Reg::R3, value.into())?;
            }
            Helper::RingbufOutput => {
                match of(Reg::R1) {
                    Held::Map(place) if self.maps.get(place) == Some(&MapShape::Ring) => {}
                    _ => return Err(MemoryProblem::Argument(1)),
                }
                sized(Reg::R2, Reg::R3)?;
            }
            Helper::GetCurrentComm => sized(Reg::R1, Reg::R2)?,
            Helper::KtimeGetNs
            | Helper::GetCurrentPidTgid
            | Helper::GetCurrentCgroupId
            | Helper::GetCurrentAncestorCgroupId
            | Helper::GetRetval => {}
        }
        Ok(Held::Other)
    }
}

fn bytes(size: Size) -> i64 {
    size.bytes().into()
}

/// The registers where it is known that `looked` is not null.
fn checked(mut registers: Registers, looked: Option<Held>) -> Registers {
    if let Some(looked @ Held::Looked { value, .. }) = looked {
        for held in registers.iter_mut().filter(|held| **held == looked) {
            *held = Held::Value { bytes: value, off: 0 };
        }
    }
    registers
}

/// Moves, and addresses that a number is added to. Anything else is no address any more.
fn computed(op: AluOp, width: Width, dst: Held, src: Held) -> Held {
    match (op, width, dst, src) {
        (AluOp::Mov, Width::W64, _, src) => src,
        (AluOp::Mov, Width::W32, _, Held::Number(number)) => Held::Number(number & 0xffff_ffff),
        (AluOp::Add, Width::W64, Held::Stack(off), Held::Number(by)) => {
            Held::Stack(off.wrapping_add(by as i64))
        }
        (AluOp::Add, Width::W64, Held::Value { bytes, off }, Held::Number(by)) => {
            Held::Value { bytes, off: off.wrapping_add(by as i64) }
        }
        _ => Held::Other,
    }
}

/// Checks that so many bytes from `off` on are all of the stack, or all of a value.
fn within(held: Held, off: i64, bytes: i64, register: Reg) -> Result<(), MemoryProblem> {
    let inside = |from: i64, first: i64, end: i64| {
        let from = from.checked_add(off);
        from.is_some_and(|from| {
            first <= from && from.checked_add(bytes).is_some_and(|to| to <= end)
        })
    };
    let fits = match held {
        Held::Stack(from) => inside(from, -STACK, 0),
        Held::Value { bytes, off } => inside(off, 0, bytes.into()),
        _ => false,
    };
    match fits {
        true => Ok(()),
        false => Err(MemoryProblem::Place { register: register.number(), bytes }),
    }
}
