//! Whether two programs answer alike, by running both.
//!
//! Compiled programs compare a number with constants, or test its last five bits through
//! `1 << (number % 32)`. So between two neighbouring constants, 32 numbers in a row stand for
//! all.

use std::collections::BTreeSet;

use devgate::bpf::{AluOp, Cond, Op, Program, Reg, Source, decode};
use devgate::device::{Access, DeviceType, Request};
use devgate::policy::{Number, Policy};

use crate::common::witness::interpreter;

/// The registers of compiled programs; see `compile/emit.rs`. No mutant changes a register.
const ACCESS_TYPE: Reg = Reg::R2;
const MAJOR: Reg = Reg::R3;
const MINOR: Reg = Reg::R4;
const MAJOR_BIT: Reg = Reg::R0;
const MINOR_BIT: Reg = Reg::R5;

/// A request for which a program and its mutant differ.
pub fn difference(policy: &Policy, program: &Program, mutant: &Program) -> Option<Request> {
    let changed = Changed::between(program, mutant);
    let requests = Requests::of(policy, [program, mutant], changed.as_ref());
    requests.find(|request| interpreter(program, request) != interpreter(mutant, request))
}

/// Requests that stand for all.
pub struct Requests {
    words: Vec<(DeviceType, Access)>,
    majors: BTreeSet<u32>,
    minors: BTreeSet<u32>,
}

impl Requests {
    /// Those that stand for all, given what the policy names and the programs compare with;
    /// and of them only those for which the change matters.
    pub fn of(policy: &Policy, programs: [&Program; 2], changed: Option<&Changed>) -> Requests {
        let matters =
            |register, value| changed.is_none_or(|changed| changed.matters(register, value));
        let of_type = |device_type| Access::every().map(move |access| (device_type, access));
        let mut words: Vec<_> = DeviceType::ALL.into_iter().flat_map(of_type).collect();
        words.retain(|(device_type, access)| {
            let (device_type, access) = (*device_type, *access);
            let request = Request { device_type, major: 0, minor: 0, access };
            matters(ACCESS_TYPE, request.access_type())
        });
        if words.is_empty() {
            return Requests { words, majors: BTreeSet::new(), minors: BTreeSet::new() };
        }
        let named = |number: fn(&_) -> Number| policy.rules().iter().map(number).collect();
        let mut majors = numbers(MAJOR, named(|rule| rule.major()), programs);
        let mut minors = numbers(MINOR, named(|rule| rule.minor()), programs);
        let bit = |number: u32| 1 << (number % 32);
        majors.retain(|major| matters(MAJOR, *major) && matters(MAJOR_BIT, bit(*major)));
        minors.retain(|minor| matters(MINOR, *minor) && matters(MINOR_BIT, bit(*minor)));
        Requests { words, majors, minors }
    }

    pub fn len(&self) -> usize {
        self.words.len() * self.majors.len() * self.minors.len()
    }

    fn find(&self, differs: impl Fn(&Request) -> bool) -> Option<Request> {
        for &(device_type, access) in &self.words {
            for &major in &self.majors {
                for &minor in &self.minors {
                    let request = Request { device_type, major, minor, access };
                    if differs(&request) {
                        return Some(request);
                    }
                }
            }
        }
        None
    }
}

/// A mutant's branch that differs in its immediate alone. Where both immediates decide alike,
/// so do the programs, and nobody needs to run them.
pub struct Changed {
    cond: Cond,
    register: Reg,
    immediates: [i32; 2],
}

impl Changed {
    fn between(a: &Program, b: &Program) -> Option<Changed> {
        if a.insns().len() != b.insns().len() {
            return None;
        }
        let at = a.insns().iter().zip(b.insns()).position(|(a, b)| a != b)?;
        let op = |program: &Program| Some(decode(program.insns(), at).ok()?.op);
        let (Op::Branch { cond, dst, src: Source::Imm(x), .. }, other) = (op(a)?, op(b)?) else {
            return None;
        };
        match other {
            Op::Branch { src: Source::Imm(y), cond: same, .. } if x != y && same == cond => {
                Some(Changed { cond, register: dst, immediates: [x, y] })
            }
            _ => None,
        }
    }

    /// Whether it matters where `register` holds `value`: for the register that the branch
    /// tests, if the immediates decide differently. Compiled programs compare 32 bits.
    fn matters(&self, register: Reg, value: u32) -> bool {
        let [x, y] = self.immediates.map(i32::cast_unsigned);
        let holds = |imm: u32| match self.cond {
            Cond::Eq => value == imm,
            Cond::Ne => value != imm,
            Cond::Lt => value < imm,
            Cond::Ge => value >= imm,
            Cond::Set => value & imm != 0,
            other => panic!("compiled programs have no {other:?}"),
        };
        register != self.register || holds(x) != holds(y)
    }
}

/// The numbers that the rules name and those that the programs compare with, their neighbours,
/// and 32 of each gap if its bits are tested.
fn numbers(register: Reg, named: Vec<Number>, programs: [&Program; 2]) -> BTreeSet<u32> {
    let named = named.into_iter().filter_map(|number| match number {
        Number::Exactly(number) => Some(number),
        Number::Any => None,
    });
    let compared = programs.into_iter().flat_map(|program| compared(register, program));
    // Where something may change: at a number and after it.
    let changes = named.chain(compared).flat_map(|number| [Some(number), number.checked_add(1)]);
    let starts: BTreeSet<u32> = changes.flatten().chain([0]).collect();
    let starts: Vec<u32> = starts.into_iter().collect();
    let tested = programs.into_iter().any(|program| tests_bits(register, program));
    let more = if tested { 31 } else { 0 };
    let mut numbers = BTreeSet::new();
    for (index, &start) in starts.iter().enumerate() {
        let last = starts.get(index + 1).map_or(u32::MAX, |next| next - 1);
        numbers.extend(start..=last.min(start.saturating_add(more)));
        numbers.insert(last);
    }
    numbers
}

fn ops(program: &Program) -> impl Iterator<Item = Op> {
    let decoded = (0..program.insns().len()).map(|index| decode(program.insns(), index));
    decoded.filter_map(|decoded| Some(decoded.ok()?.op))
}

fn compared(register: Reg, program: &Program) -> impl Iterator<Item = u32> {
    ops(program).filter_map(move |op| match op {
        Op::Branch { dst, src: Source::Imm(imm), .. } if dst == register => {
            Some(imm.cast_unsigned())
        }
        _ => None,
    })
}

fn tests_bits(register: Reg, program: &Program) -> bool {
    ops(program).any(
        |op| matches!(op, Op::Alu { op: AluOp::Lsh, src: Source::Reg(src), .. } if src == register),
    )
}
