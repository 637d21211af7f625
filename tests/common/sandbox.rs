//! Runs a program that uses maps and helper functions, instruction by instruction as RFC 9669 has
//! them, and ends at the first access to what is not its own. It shares nothing with devgate's
//! decoder and analyzer, whose witness it is.
//!
//! Addresses are numbers here as they are in the kernel, so whatever is computed with them is
//! possible; each object is far from the others.

use devgate::bpf::{Insn, MapShape, Program};
use devgate::device::Request;

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Allows,
    Denies,
    /// It did something that may change a verdict, or that no program may do.
    Escapes(Escape),
}

/// What that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// Reads or writes memory that is not its own.
    Memory,
    /// Writes to the context.
    Context,
    /// Calls a function that is not one of those that look on.
    Function,
    /// Gives such a function what it can't take.
    Argument,
    /// Jumps back, or out of the program.
    Jump,
    /// An instruction that is not known here.
    Instruction,
}

const STACK: u64 = 0xffff_c900_0000_0000;
const STACK_BYTES: u64 = 512;
const CONTEXT: u64 = 0xffff_c900_1000_0000;
const CONTEXT_BYTES: u64 = 12;
const MAPS: u64 = 0xffff_8880_0000_0000;
const VALUES: u64 = 0xffff_8881_0000_0000;
/// From one value to the next.
const APART: u64 = 1 << 20;

type Fate<T> = Result<T, Escape>;

/// A run in a world that `random` makes: what helpers return, what memory holds, which keys there
/// are.
pub struct Sandbox<'p, R> {
    insns: &'p [Insn],
    maps: &'p [MapShape],
    context: [u8; CONTEXT_BYTES as usize],
    registers: [u64; 11],
    stack: [u8; STACK_BYTES as usize],
    /// What lookups have returned.
    values: Vec<Vec<u8>>,
    random: R,
}

impl<'p, R: FnMut() -> u64> Sandbox<'p, R> {
    pub fn new(
        program: &'p Program,
        maps: &'p [MapShape],
        request: &Request,
        mut random: R,
    ) -> Sandbox<'p, R> {
        let mut context = [0; CONTEXT_BYTES as usize];
        let words = [request.access_type(), request.major, request.minor];
        for (to, word) in context.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *to = word.to_ne_bytes();
        }
        let mut registers = std::array::from_fn(|_| random());
        registers[1] = CONTEXT;
        registers[10] = STACK + STACK_BYTES;
        let stack = std::array::from_fn(|_| random() as u8);
        Sandbox { insns: program.insns(), maps, context, registers, stack, values: vec![], random }
    }

    /// Runs it to its end.
    pub fn run(mut self) -> End {
        let mut at = 0;
        loop {
            match self.step(at) {
                Ok(Some(next)) if next > at && next < self.insns.len() => at = next,
                Ok(Some(_)) => return End::Escapes(Escape::Jump),
                Ok(None) if self.registers[0] & 1 == 1 => return End::Allows,
                Ok(None) => return End::Denies,
                Err(escape) => return End::Escapes(escape),
            }
        }
    }

    /// One instruction; where it goes on.
    fn step(&mut self, at: usize) -> Fate<Option<usize>> {
        let insn = self.insns[at];
        let (dst, src) = (usize::from(insn.dst()), usize::from(insn.src()));
        let calls = insn.code == 0x85;
        if dst > 10 || (src > 10 && insn.code != 0x18) {
            return Err(Escape::Instruction);
        }
        match insn.code & 7 {
            0 if insn.code == 0x18 => {
                let second = self.insns.get(at + 1).filter(|second| second.code == 0);
                let second = second.ok_or(Escape::Instruction)?;
                self.registers[dst] = match src {
                    0 => u64::from(second.imm as u32) << 32 | u64::from(insn.imm as u32),
                    1 if (insn.imm as usize) < self.maps.len() => MAPS + insn.imm as u64,
                    _ => return Err(Escape::Instruction),
                };
                return Ok(Some(at + 2));
            }
            1 if insn.code & 0xe0 == 0x60 => {
                let from = self.registers[src].wrapping_add_signed(insn.off.into());
                self.registers[dst] = self.read(from, size(insn.code))?;
            }
            2 | 3 => self.store(insn)?,
            4 | 7 => self.registers[dst] = self.computed(insn)?,
            5 | 6 if calls && src == 0 => self.call(insn.imm)?,
            5 if calls => return Err(Escape::Function),
            5 if insn.code == 0x95 => return Ok(None),
            5 if insn.code == 0x05 => return jump(at, insn.off.into()),
            6 if insn.code == 0x06 => return jump(at, insn.imm.into()),
            5 | 6 if self.holds(insn)? => return jump(at, insn.off.into()),
            5 | 6 => {}
            _ => return Err(Escape::Instruction),
        }
        Ok(Some(at + 1))
    }

    /// The second operand, of 64 bits.
    fn operand(&self, insn: Insn) -> u64 {
        match insn.code & 8 {
            0 => i64::from(insn.imm) as u64,
            _ => self.registers[usize::from(insn.src())],
        }
    }

    fn computed(&self, insn: Insn) -> Fate<u64> {
        let narrow = insn.code & 7 == 4;
        let (mut a, mut b) = (self.registers[usize::from(insn.dst())], self.operand(insn));
        if narrow {
            (a, b) = (u64::from(a as u32), u64::from(b as u32));
        }
        let bits = if narrow { 31 } else { 63 };
        let by = (b & bits) as u32;
        if insn.off != 0 {
            return Err(Escape::Instruction);
        }
        let found = match insn.code & 0xf0 {
            0x00 => a.wrapping_add(b),
            0x10 => a.wrapping_sub(b),
            0x20 => a.wrapping_mul(b),
            0x40 => a | b,
            0x50 => a & b,
            0x60 => a << by,
            0x70 => a >> by,
            0x80 if insn.code & 8 == 0 => a.wrapping_neg(),
            0xa0 => a ^ b,
            0xb0 => b,
            0xc0 if narrow => ((a as i32) >> by) as u32 as u64,
            0xc0 => ((a as i64) >> by) as u64,
            _ => return Err(Escape::Instruction),
        };
        Ok(if narrow { u64::from(found as u32) } else { found })
    }

    fn holds(&self, insn: Insn) -> Fate<bool> {
        let (mut a, mut b) = (self.registers[usize::from(insn.dst())], self.operand(insn));
        let (mut signed_a, mut signed_b) = (a as i64, b as i64);
        if insn.code & 7 == 6 {
            (a, b) = (u64::from(a as u32), u64::from(b as u32));
            (signed_a, signed_b) = (i64::from(a as i32), i64::from(b as i32));
        }
        Ok(match insn.code & 0xf0 {
            0x10 => a == b,
            0x20 => a > b,
            0x30 => a >= b,
            0x40 => a & b != 0,
            0x50 => a != b,
            0x60 => signed_a > signed_b,
            0x70 => signed_a >= signed_b,
            0xa0 => a < b,
            0xb0 => a <= b,
            0xc0 => signed_a < signed_b,
            0xd0 => signed_a <= signed_b,
            _ => return Err(Escape::Instruction),
        })
    }

    fn store(&mut self, insn: Insn) -> Fate<()> {
        let (code, bytes) = (insn.code, size(insn.code));
        let to = self.registers[usize::from(insn.dst())].wrapping_add_signed(insn.off.into());
        let src = usize::from(insn.src());
        let old = match (code & 7, code & 0xe0) {
            (2, 0x60) => return self.write(to, bytes, i64::from(insn.imm) as u64),
            (3, 0x60) => return self.write(to, bytes, self.registers[src]),
            (3, 0xc0) if bytes >= 4 => self.read(to, bytes)?,
            _ => return Err(Escape::Instruction),
        };
        let with = self.registers[src];
        let new = match insn.imm & !1 {
            0x00 => old.wrapping_add(with),
            0x40 => old | with,
            0x50 => old & with,
            0xa0 => old ^ with,
            0xe0 if insn.imm == 0xe1 => with,
            0xf0 if insn.imm == 0xf1 => {
                let expected = self.registers[0] & mask(bytes);
                if old == expected { with } else { old }
            }
            _ => return Err(Escape::Instruction),
        };
        self.write(to, bytes, new)?;
        match insn.imm {
            0xf1 => self.registers[0] = old,
            imm if imm & 1 == 1 => self.registers[src] = old,
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, helper: i32) -> Fate<()> {
        let [_, one, two, three, ..] = self.registers;
        let map = usize::try_from(one.wrapping_sub(MAPS)).ok();
        let map = map.and_then(|place| self.maps.get(place)).copied();
        let result = match (helper, map) {
            (1, Some(MapShape::Hash { key, value })) => {
                self.memory(two, key.into())?;
                self.look_up(value)
            }
            (2, Some(MapShape::Hash { key, value })) => {
                self.memory(two, key.into())?;
                self.memory(three, value.into())?;
                if (self.random)() & 1 == 0 { 0 } else { -17_i64 as u64 }
            }
            (130, Some(MapShape::Ring)) => {
                self.memory(two, three)?;
                0
            }
            (1 | 2 | 130, _) => return Err(Escape::Argument),
            (16, _) => {
                for byte in 0..two.min(STACK_BYTES + 1) {
                    let some = (self.random)();
                    self.write(one.wrapping_add(byte), 1, some)?;
                }
                0
            }
            (5 | 14 | 80 | 123, _) => self.number(),
            (186, _) => [0, -1_i32 as u32 as u64, -1_i64 as u64][(self.number() % 3) as usize],
            _ => return Err(Escape::Function),
        };
        for register in &mut self.registers[1..=5] {
            *register = (self.random)();
        }
        self.registers[0] = result;
        Ok(())
    }

    /// A small number, or any.
    fn number(&mut self) -> u64 {
        match (self.random)() % 4 {
            small @ 0..3 => small,
            _ => (self.random)(),
        }
    }

    fn look_up(&mut self, bytes: u16) -> u64 {
        if (self.random)() & 1 == 0 {
            return 0;
        }
        let mut value: Vec<u8> = (0..bytes).map(|_| (self.random)() as u8).collect();
        if (self.random)() & 1 == 0 {
            value.fill(0);
        }
        self.values.push(value);
        VALUES + (self.values.len() as u64 - 1) * APART
    }

    /// The program's own memory at an address.
    fn memory(&mut self, at: u64, bytes: u64) -> Fate<&mut [u8]> {
        let inside = |base: u64, size: u64| {
            let from = at.checked_sub(base)?;
            let end = from.checked_add(bytes).filter(|end| *end <= size)?;
            Some(from as usize..end as usize)
        };
        if inside(CONTEXT, CONTEXT_BYTES).is_some() {
            return Err(Escape::Context);
        }
        if let Some(range) = inside(STACK, STACK_BYTES) {
            return self.stack.get_mut(range).ok_or(Escape::Memory);
        }
        for (place, value) in self.values.iter_mut().enumerate() {
            if let Some(range) = inside(VALUES + place as u64 * APART, value.len() as u64) {
                return value.get_mut(range).ok_or(Escape::Memory);
            }
        }
        Err(Escape::Memory)
    }

    fn read(&mut self, at: u64, bytes: u64) -> Fate<u64> {
        let mut word = [0; 8];
        if let Some(from) = at.checked_sub(CONTEXT).filter(|from| *from < CONTEXT_BYTES) {
            let part = self.context.get(from as usize..(from + bytes) as usize);
            return Ok(word_of(&mut word, part.ok_or(Escape::Memory)?));
        }
        Ok(word_of(&mut word, self.memory(at, bytes)?))
    }

    fn write(&mut self, at: u64, bytes: u64, value: u64) -> Fate<()> {
        let memory = self.memory(at, bytes)?;
        let word = value.to_le_bytes();
        for (to, from) in memory.iter_mut().zip(word) {
            *to = from;
        }
        Ok(())
    }
}

/// Numbers in memory are little-endian here.
fn word_of(word: &mut [u8; 8], part: &[u8]) -> u64 {
    for (to, from) in word.iter_mut().zip(part) {
        *to = *from;
    }
    u64::from_le_bytes(*word)
}

fn size(code: u8) -> u64 {
    match code & 0x18 {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    }
}

fn mask(bytes: u64) -> u64 {
    if bytes == 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 }
}

fn jump(at: usize, distance: i64) -> Fate<Option<usize>> {
    let target = at as i64 + 1 + distance;
    usize::try_from(target).map(Some).map_err(|_| Escape::Jump)
}
