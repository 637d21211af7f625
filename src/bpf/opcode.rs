//! Opcode classes and fields of RFC 9669, sections 3 to 5.

pub(super) const CLASS: u8 = 0x07;
pub(super) const LD: u8 = 0x00;
pub(super) const LDX: u8 = 0x01;
pub(super) const ST: u8 = 0x02;
pub(super) const STX: u8 = 0x03;
pub(super) const ALU32: u8 = 0x04;
pub(super) const JMP: u8 = 0x05;
pub(super) const JMP32: u8 = 0x06;
pub(super) const ALU64: u8 = 0x07;

pub(super) const SOURCE_REG: u8 = 0x08;
pub(super) const CODE: u8 = 0xf0;
pub(super) const NEG: u8 = 0x80;
pub(super) const JA: u8 = 0x00;
pub(super) const CALL: u8 = 0x80;
pub(super) const EXIT: u8 = 0x90;

pub(super) const SIZE: u8 = 0x18;
pub(super) const MODE: u8 = 0xe0;
pub(super) const MEM: u8 = 0x60;
pub(super) const ATOMIC: u8 = 0xc0;
pub(super) const LDDW: u8 = 0x18;
pub(super) const BYTE: u8 = 0x10;
pub(super) const HALF: u8 = 0x08;
pub(super) const WORD: u8 = 0x00;
pub(super) const DOUBLE: u8 = 0x18;
