//! Who made a program, by its name or its shape.

use std::fmt;

use crate::bpf::{AluOp, CtxField, Op, Program, Size, Source, Width, decode};
use crate::kernel::{NAME_PREFIX, OBSERVER_NAME};

/// A generator of device programs that leaves marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// Programs named `devgate...`.
    Devgate,
    /// devgate's programs that look on ([`OBSERVER_NAME`]).
    Observer,
    /// Programs named `sd_devices`.
    Systemd,
    /// By its shape; youki's is the same.
    Runc,
    /// By its shape.
    Crun,
}

impl Generator {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Generator::Devgate => "devgate",
            Generator::Observer => "devgate",
            Generator::Systemd => "systemd",
            Generator::Runc => "runc",
            Generator::Crun => "crun",
        }
    }

    /// Who made the program with this name and these instructions.
    pub fn of(name: &str, program: Option<&Program>) -> Option<Generator> {
        if name.starts_with(NAME_PREFIX) {
            return Some(Generator::Devgate);
        }
        match name {
            OBSERVER_NAME => Some(Generator::Observer),
            "sd_devices" => Some(Generator::Systemd),
            "" => by_shape(program?),
            _ => None,
        }
    }
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What runc, youki and crun begin with: type, access, major and minor in r2 to r5.
fn prologue(program: &Program) -> bool {
    let word = CtxField::AccessType { at: 0, size: Size::Word };
    let wanted = [
        (2, Step::Load(word)),
        (2, Step::Alu(AluOp::And, 0xffff)),
        (3, Step::Load(word)),
        (3, Step::Alu(AluOp::Rsh, 16)),
        (4, Step::Load(CtxField::Major)),
        (5, Step::Load(CtxField::Minor)),
    ];
    wanted.iter().enumerate().all(|(index, (register, step))| {
        let found = decode(program.insns(), index).map(|decoded| decoded.op);
        match (found, step) {
            (Ok(Op::Load { dst, off, size, .. }), Step::Load(wanted)) => {
                dst.number() == *register && CtxField::at(off, size) == Some(*wanted)
            }
            (Ok(Op::Alu { op, dst, src: Source::Imm(imm), .. }), Step::Alu(wanted, value)) => {
                dst.number() == *register && op == *wanted && imm == *value
            }
            _ => false,
        }
    })
}

enum Step {
    Load(CtxField),
    Alu(AluOp, i32),
}

/// They differ in how they write the result: runc in 32 bits, crun in 64.
fn by_shape(program: &Program) -> Option<Generator> {
    if !prologue(program) {
        return None;
    }
    let result = program.insns().len().checked_sub(2)?;
    match decode(program.insns(), result).ok()?.op {
        Op::Alu { op: AluOp::Mov, width: Width::W32, src: Source::Imm(_), .. } => {
            Some(Generator::Runc)
        }
        Op::Alu { op: AluOp::Mov, width: Width::W64, src: Source::Imm(_), .. } => {
            Some(Generator::Crun)
        }
        _ => None,
    }
}
