//! Arithmetic and comparison, as the machine does them.

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
