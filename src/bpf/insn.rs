//! Instructions as the kernel takes them.

use thiserror::Error;

use super::op::Reg;
use super::opcode::LDDW;

/// One slot of 8 bytes: `struct bpf_insn` of linux/bpf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Insn {
    /// Opcode.
    pub code: u8,
    /// Destination and source register, four bits each, in the order of the host's bitfields.
    registers: u8,
    /// Signed offset of a jump (in instructions) or of a load (in bytes).
    pub off: i16,
    /// Immediate.
    pub imm: i32,
}

impl Insn {
    /// Bytes of one instruction.
    pub const SIZE: usize = size_of::<Insn>();

    /// An instruction from its fields.
    pub const fn new(code: u8, dst: Reg, src: Reg, off: i16, imm: i32) -> Insn {
        let (dst, src) = (dst.number(), src.number());
        let registers = if cfg!(target_endian = "big") { dst << 4 | src } else { src << 4 | dst };
        Insn { code, registers, off, imm }
    }

    /// The first half of a load of a kernel object's address; `kind` says what `imm` is
    /// (`BPF_PSEUDO_MAP_FD` and its like, linux/bpf.h).
    pub(crate) const fn object(dst: Reg, kind: u8, imm: i32) -> Insn {
        let dst = dst.number();
        let registers = if cfg!(target_endian = "big") { dst << 4 | kind } else { kind << 4 | dst };
        Insn { code: LDDW, registers, off: 0, imm }
    }

    /// The number in the destination field, 0..=15.
    pub const fn dst(self) -> u8 {
        if cfg!(target_endian = "big") { self.registers >> 4 } else { self.registers & 15 }
    }

    /// The number in the source field, 0..=15.
    pub const fn src(self) -> u8 {
        if cfg!(target_endian = "big") { self.registers & 15 } else { self.registers >> 4 }
    }

    /// The instruction's bytes in host order.
    pub const fn to_bytes(self) -> [u8; Insn::SIZE] {
        let off = self.off.to_ne_bytes();
        let imm = self.imm.to_ne_bytes();
        [self.code, self.registers, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
    }

    /// The instruction with these bytes.
    pub const fn from_bytes(bytes: [u8; Insn::SIZE]) -> Insn {
        let [code, registers, off0, off1, imm0, imm1, imm2, imm3] = bytes;
        Insn {
            code,
            registers,
            off: i16::from_ne_bytes([off0, off1]),
            imm: i32::from_ne_bytes([imm0, imm1, imm2, imm3]),
        }
    }
}

/// A program of type `BPF_PROG_TYPE_CGROUP_DEVICE`, of which nothing is known yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    insns: Vec<Insn>,
}

/// Bytes that are no whole number of instructions.
#[derive(Debug, Error)]
#[error("{0} bytes are no whole number of 8-byte instructions")]
pub struct ProgramBytesError(usize);

impl Program {
    /// A program of these instructions.
    pub fn new(insns: Vec<Insn>) -> Program {
        Program { insns }
    }

    /// The program with these bytes, in host order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Program, ProgramBytesError> {
        let (slots, rest) = bytes.as_chunks::<{ Insn::SIZE }>();
        if !rest.is_empty() {
            return Err(ProgramBytesError(bytes.len()));
        }
        Ok(Program::new(slots.iter().map(|slot| Insn::from_bytes(*slot)).collect()))
    }

    /// Its instructions.
    pub fn insns(&self) -> &[Insn] {
        &self.insns
    }

    /// Its bytes, in host order.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.insns.iter().flat_map(|insn| insn.to_bytes()).collect()
    }
}
