//! What an instruction of a device program does, once decoded.

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

/// Bits that an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// The lower 32; a result's upper half becomes zero.
    W32,
    /// All 64.
    W64,
}

impl Width {
    /// An immediate as an operand of this width: sign-extended where that is 64.
    pub const fn immediate(self, imm: i32) -> u64 {
        match self {
            Width::W32 => imm as u32 as u64,
            Width::W64 => imm as i64 as u64,
        }
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

/// Arithmetic on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the ISA")]
pub enum AluOp {
    Add,
    Sub,
    Mul,
    Or,
    And,
    Lsh,
    Rsh,
    Arsh,
    Xor,
    Mov,
}

impl AluOp {
    /// Every operation.
    pub const ALL: [AluOp; 10] = [
        AluOp::Add,
        AluOp::Sub,
        AluOp::Mul,
        AluOp::Or,
        AluOp::And,
        AluOp::Lsh,
        AluOp::Rsh,
        AluOp::Arsh,
        AluOp::Xor,
        AluOp::Mov,
    ];

    /// The operation's field of the opcode.
    pub const fn code(self) -> u8 {
        match self {
            AluOp::Add => 0x00,
            AluOp::Sub => 0x10,
            AluOp::Mul => 0x20,
            AluOp::Or => 0x40,
            AluOp::And => 0x50,
            AluOp::Lsh => 0x60,
            AluOp::Rsh => 0x70,
            AluOp::Xor => 0xa0,
            AluOp::Mov => 0xb0,
            AluOp::Arsh => 0xc0,
        }
    }

    /// The result for operands that are already of the operation's width: both wrapped to
    /// `width`, shift counts masked to it (RFC 9669, section 4.1).
    pub fn apply(self, width: Width, dst: u64, src: u64) -> u64 {
        match width {
            Width::W32 => u64::from(self.apply32(dst as u32, src as u32)),
            Width::W64 => self.apply64(dst, src),
        }
    }

    fn apply32(self, dst: u32, src: u32) -> u32 {
        match self {
            AluOp::Add => dst.wrapping_add(src),
            AluOp::Sub => dst.wrapping_sub(src),
            AluOp::Mul => dst.wrapping_mul(src),
            AluOp::Or => dst | src,
            AluOp::And => dst & src,
            AluOp::Lsh => dst.wrapping_shl(src),
            AluOp::Rsh => dst.wrapping_shr(src),
            AluOp::Arsh => (dst as i32).wrapping_shr(src) as u32,
            AluOp::Xor => dst ^ src,
            AluOp::Mov => src,
        }
    }

    fn apply64(self, dst: u64, src: u64) -> u64 {
        match self {
            AluOp::Add => dst.wrapping_add(src),
            AluOp::Sub => dst.wrapping_sub(src),
            AluOp::Mul => dst.wrapping_mul(src),
            AluOp::Or => dst | src,
            AluOp::And => dst & src,
            AluOp::Lsh => dst.wrapping_shl(src as u32),
            AluOp::Rsh => dst.wrapping_shr(src as u32),
            AluOp::Arsh => (dst as i64).wrapping_shr(src as u32) as u64,
            AluOp::Xor => dst ^ src,
            AluOp::Mov => src,
        }
    }
}

/// A branch's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the ISA")]
pub enum Cond {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    /// Any bit in common.
    Set,
    SGt,
    SGe,
    SLt,
    SLe,
}

impl Cond {
    /// Every condition.
    pub const ALL: [Cond; 11] = [
        Cond::Eq,
        Cond::Ne,
        Cond::Gt,
        Cond::Ge,
        Cond::Lt,
        Cond::Le,
        Cond::Set,
        Cond::SGt,
        Cond::SGe,
        Cond::SLt,
        Cond::SLe,
    ];

    /// The condition's field of the opcode.
    pub const fn code(self) -> u8 {
        match self {
            Cond::Eq => 0x10,
            Cond::Gt => 0x20,
            Cond::Ge => 0x30,
            Cond::Set => 0x40,
            Cond::Ne => 0x50,
            Cond::SGt => 0x60,
            Cond::SGe => 0x70,
            Cond::Lt => 0xa0,
            Cond::Le => 0xb0,
            Cond::SLt => 0xc0,
            Cond::SLe => 0xd0,
        }
    }

    /// Whether the branch is taken.
    pub fn holds(self, width: Width, dst: u64, src: u64) -> bool {
        let (dst, src, signed) = match width {
            Width::W32 => {
                let (dst, src) = (dst as u32, src as u32);
                let signed = (i64::from(dst as i32), i64::from(src as i32));
                (u64::from(dst), u64::from(src), signed)
            }
            Width::W64 => (dst, src, (dst as i64, src as i64)),
        };
        match self {
            Cond::Eq => dst == src,
            Cond::Ne => dst != src,
            Cond::Gt => dst > src,
            Cond::Ge => dst >= src,
            Cond::Lt => dst < src,
            Cond::Le => dst <= src,
            Cond::Set => dst & src != 0,
            Cond::SGt => signed.0 > signed.1,
            Cond::SGe => signed.0 >= signed.1,
            Cond::SLt => signed.0 < signed.1,
            Cond::SLe => signed.0 <= signed.1,
        }
    }
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
