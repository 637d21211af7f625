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
    /// Kept in calls.
    pub const R6: Reg = Reg(6);
    /// Kept in calls.
    pub const R7: Reg = Reg(7);
    /// Kept in calls.
    pub const R8: Reg = Reg(8);
    /// Kept in calls.
    pub const R9: Reg = Reg(9);
    /// The stack's address.
    pub const R10: Reg = Reg(10);
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
    /// Eight.
    Double,
}

impl Size {
    /// Its bytes.
    pub const fn bytes(self) -> u8 {
        match self {
            Size::Byte => 1,
            Size::Half => 2,
            Size::Word => 4,
            Size::Double => 8,
        }
    }
}

/// What a load from `struct bpf_cgroup_dev_ctx` may read. The kernel allows parts of
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
    /// What a load of this size reads at this offset from the context's address; `None` where no
    /// field is.
    pub fn at(off: i16, size: Size) -> Option<CtxField> {
        match (u8::try_from(off).ok()?, size) {
            (_, Size::Double) => None,
            (at @ 0..=3, size) if at % size.bytes() == 0 => Some(CtxField::AccessType { at, size }),
            (4, Size::Word) => Some(CtxField::Major),
            (8, Size::Word) => Some(CtxField::Minor),
            _ => None,
        }
    }

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
                    Size::Word | Size::Double => u32::from_ne_bytes(part),
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
    /// `dst = *(base + off)`: a field of the context ([`CtxField::at`]) if `base` holds its
    /// address, otherwise memory.
    Load {
        /// Result.
        dst: Reg,
        /// Register with the address.
        base: Reg,
        /// Bytes from there.
        off: i16,
        /// How many are read.
        size: Size,
    },
    /// `dst = value`, in two slots.
    LoadImm64 {
        /// Result.
        dst: Reg,
        /// Value.
        value: u64,
    },
    /// `dst = ` the address of a map, of a map's value, or of another kernel object, in two slots.
    LoadObject {
        /// Result.
        dst: Reg,
        /// What kind: `BPF_PSEUDO_MAP_FD` and its like.
        kind: u8,
        /// Which: a descriptor, or an id in a dump.
        imm: i32,
    },
    /// `*(base + off) = src`.
    Store {
        /// Register with the address.
        base: Reg,
        /// Bytes from there.
        off: i16,
        /// How many are written.
        size: Size,
        /// What is written.
        src: Source,
    },
    /// Changes memory atomically.
    Atomic {
        /// Register with the address.
        base: Reg,
        /// Bytes from there.
        off: i16,
        /// How many are changed.
        size: Size,
        /// What it is changed with.
        src: Reg,
        /// The register that gets what was there, if one does.
        fetch: Option<Reg>,
    },
    /// Calls a helper function: r0 is the result, r1 to r5 are lost.
    Call {
        /// Its number, or what a loaded program has in place of that: see
        /// [`Helpers`](super::Helpers).
        helper: i32,
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
