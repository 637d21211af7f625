//! Instructions as text, in the notation of the kernel's verifier log and bpftool.

use std::fmt;

use super::arith::{AluOp, Cond, Width};
use super::decode::{Decoded, decode};
use super::helpers::Helpers;
use super::insn::{Insn, Program};
use super::op::{Op, Reg, Source};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The instruction's place in the program.
    pub index: usize,
    /// The instruction, understood or not.
    pub decoded: Option<Decoded>,
    /// Its text; a bare dump of the fields where it is not understood.
    pub text: String,
}

impl Program {
    /// The program's lines, one an instruction (a 64-bit load's two slots are one).
    pub fn listing(&self, helpers: &dyn Helpers) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut index = 0;
        while let Some(insn) = self.insns().get(index) {
            let decoded = decode(self.insns(), index).ok();
            let text = match decoded {
                Some(decoded) => Text { decoded, after: index + 1, helpers }.to_string(),
                None => raw(insn),
            };
            lines.push(Line { index, decoded, text });
            index = decoded.map_or(index + 1, |decoded| decoded.next);
        }
        lines
    }
}

fn raw(insn: &Insn) -> String {
    let Insn { code, off, imm, .. } = insn;
    format!("({code:02x}) dst r{} src r{} off {off} imm {imm:#x}", insn.dst(), insn.src())
}

struct Text<'h> {
    decoded: Decoded,
    /// The next slot: jumps are counted from there.
    after: usize,
    helpers: &'h dyn Helpers,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |width, register: Reg| match width {
            Width::W32 => format!("w{}", register.number()),
            Width::W64 => format!("r{}", register.number()),
        };
        let operand = |width, source| match source {
            Source::Imm(imm) if imm > 9 => format!("{imm:#x}"),
            Source::Imm(imm) => format!("{imm}"),
            Source::Reg(register) => name(width, register),
        };
        match self.decoded.op {
            Op::Alu { op, width, dst, src } => {
                write!(f, "{} {} {}", name(width, dst), sign(op), operand(width, src))
            }
            Op::Neg { width, dst } => write!(f, "{0} = -{0}", name(width, dst)),
            Op::Load { dst, base, off, size } => {
                let (dst, bits) = (dst.number(), 8 * size.bytes());
                write!(f, "r{dst} = *(u{bits} *)(r{} {off:+})", base.number())
            }
            Op::Store { base, off, size, src } => {
                let (base, bits) = (base.number(), 8 * size.bytes());
                write!(f, "*(u{bits} *)(r{base} {off:+}) = {}", operand(Width::W64, src))
            }
            Op::Atomic { base, off, size, src, .. } => {
                let (base, bits) = (base.number(), 8 * size.bytes());
                write!(f, "atomic (u{bits} *)(r{base} {off:+}) with r{}", src.number())
            }
            Op::LoadObject { dst, kind, imm } => match kind {
                1 => write!(f, "r{} = map[{imm}] ll", dst.number()),
                _ => write!(f, "r{} = object[{kind}:{imm}] ll", dst.number()),
            },
            Op::Call { helper } => match self.helpers.name(helper) {
                Some(name) => write!(f, "call {name}#{helper}"),
                None => write!(f, "call unknown helper#{helper}"),
            },
            Op::LoadImm64 { dst, value } => write!(f, "r{} = {value:#x} ll", dst.number()),
            Op::Jump { target } => write!(f, "goto +{}", target - self.after),
            Op::Branch { cond, width, dst, src, target } => {
                let src = match src {
                    // The kernel shows what is compared with in hexadecimal, whatever its sign.
                    Source::Imm(imm) if imm < 0 => format!("{imm:#x}"),
                    src => operand(width, src),
                };
                let dst = name(width, dst);
                write!(f, "if {dst} {} {src} goto +{}", relation(cond), target - self.after)
            }
            Op::Exit => f.write_str("exit"),
        }
    }
}

fn sign(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Arsh => "s>>=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
    }
}

fn relation(cond: Cond) -> &'static str {
    match cond {
        Cond::Eq => "==",
        Cond::Ne => "!=",
        Cond::Gt => ">",
        Cond::Ge => ">=",
        Cond::Lt => "<",
        Cond::Le => "<=",
        Cond::Set => "&",
        Cond::SGt => "s>",
        Cond::SGe => "s>=",
        Cond::SLt => "s<",
        Cond::SLe => "s<=",
    }
}
