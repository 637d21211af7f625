//! What an instruction of a device program does, once decoded.

use super::arith::{AluOp, Cond, Width};

/// One of the eleven registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(u8);

impl Reg {
    /// Result.
    pub const R0: Reg = Reg(0);
    /// The context, on entry.
    pub const R1: Reg = Reg(1);
    /// Scratch.
    pub const R2: Reg = Reg(2);
    /// Scratch.
    pub const R3: Reg = Reg(3);
    /// Scratch.
    pub const R4: Reg = Reg(4);
    /// Scratch.
    pub const R5: Reg = Reg(5);
    /// How many there are.
    pub const COUNT: usize = 11;

    /// The register of this number, 0..=10.
    pub const fn from_number(number: u8) -> Option<Reg> {
        if (number as usize) < Reg::COUNT { Some(Reg(number)) } else { None }
    }

    /// Its number, 0..=10.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its number as an index below [`Reg::COUNT`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A constant; see [`Width::immediate`].
    Imm(i32),
    /// A register.
    Reg(Reg),
}

/// Bytes that a load reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// One.
    Byte,
    /// Two.
    Half,
    /// Four.
    Word,
}

impl Size {
    /// Its bytes.
    pub const fn bytes(self) -> u8 {
        match self {
            Size::Byte => 1,
            Size::Half => 2,
            Size::Word => 4,
        }
    }
}

/// What a load from `struct bpf_cgroup_dev_ctx` reads. The kernel allows parts of
/// `access_type`, and major and minor as whole words (`cgroup_dev_is_valid_access`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtxField {
    /// `access_type`, from byte `at` of its four on.
    AccessType {
        /// First byte, 0..=3.
        at: u8,
        /// How many.
        size: Size,
    },
    /// `major`.
    Major,
    /// `minor`.
    Minor,
}

impl CtxField {
    /// What the load gives for a request with this `access_type`, major and minor.
    pub fn read(self, access_type: u32, major: u32, minor: u32) -> u32 {
        match self {
            CtxField::AccessType { at, size } => {
                let mut part = [0; 4];
                let bytes = access_type.to_ne_bytes();
                let (at, len) = (usize::from(at), usize::from(size.bytes()));
                for (to, from) in part.iter_mut().zip(bytes.iter().skip(at).take(len)) {
                    *to = *from;
                }
                match size {
                    Size::Byte => u32::from(part[0]),
                    Size::Half => u32::from(u16::from_ne_bytes([part[0], part[1]])),
                    Size::Word => u32::from_ne_bytes(part),
                }
            }
            CtxField::Major => major,
            CtxField::Minor => minor,
        }
    }
}

/// An instruction's meaning. Targets are indices of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `dst = dst op src`.
    Alu {
        /// Operation.
        op: AluOp,
        /// Width.
        width: Width,
        /// First operand and result.
        dst: Reg,
        /// Second operand.
        src: Source,
    },
    /// `dst = -dst`.
    Neg {
        /// Width.
        width: Width,
        /// Operand and result.
        dst: Reg,
    },
    /// `dst = ctx->field`, where `base` must hold the context.
    Load {
        /// Result.
        dst: Reg,
        /// Register with the context's address.
        base: Reg,
        /// What is read.
        field: CtxField,
    },
    /// `dst = value`, in two slots.
    LoadImm64 {
        /// Result.
        dst: Reg,
        /// Value.
        value: u64,
    },
    /// Goes on at `target`.
    Jump {
        /// Where to.
        target: usize,
    },
    /// Goes on at `target` if the condition holds.
    Branch {
        /// Condition.
        cond: Cond,
        /// Width.
        width: Width,
        /// First operand.
        dst: Reg,
        /// Second operand.
        src: Source,
        /// Where to.
        target: usize,
    },
    /// Ends with R0.
    Exit,
}
