//! Hand-written programs as text, in the notation of the kernel's verifier log, with labels.
//! Opcodes are those of RFC 9669, written down here once more.

use std::collections::HashMap;

use devgate::bpf::{Insn, Program, Reg};

const ALU: [(&str, u8); 10] = [
    ("+=", 0x00),
    ("-=", 0x10),
    ("*=", 0x20),
    ("|=", 0x40),
    ("&=", 0x50),
    ("<<=", 0x60),
    (">>=", 0x70),
    ("^=", 0xa0),
    ("=", 0xb0),
    ("s>>=", 0xc0),
];

const CONDITIONS: [(&str, u8); 11] = [
    ("==", 0x10),
    (">", 0x20),
    (">=", 0x30),
    ("&", 0x40),
    ("!=", 0x50),
    ("s>", 0x60),
    ("s>=", 0x70),
    ("<", 0xa0),
    ("<=", 0xb0),
    ("s<", 0xc0),
    ("s<=", 0xd0),
];

const LOADS: [(&str, u8); 4] = [("*(u8", 0x71), ("*(u16", 0x69), ("*(u32", 0x61), ("*(u64", 0x79)];

const STORES: [(&str, u8); 4] = [("*(u8", 0x73), ("*(u16", 0x6b), ("*(u32", 0x63), ("*(u64", 0x7b)];

/// The program that `text` says: statements apart by line ends or semicolons, `name:` being a
/// label.
pub fn assemble(text: &str) -> Program {
    let statements: Vec<&str> =
        text.split(['\n', ';']).map(str::trim).filter(|text| !text.is_empty()).collect();
    let mut labels = HashMap::new();
    let mut here = 0;
    for statement in &statements {
        match statement.strip_suffix(':') {
            Some(label) => assert!(labels.insert(label, here).is_none(), "{label} comes twice"),
            None => here += if is_wide(statement) { 2 } else { 1 },
        }
    }
    let mut insns = Vec::new();
    for statement in statements.iter().filter(|text| !text.ends_with(':')) {
        let encoded = encode(statement, insns.len(), &labels);
        insns.extend(encoded.unwrap_or_else(|| panic!("no instruction: {statement:?}")));
    }
    Program::new(insns)
}

fn is_wide(statement: &str) -> bool {
    statement.ends_with(" ll") || statement.contains(" map ")
}

fn encode(statement: &str, here: usize, labels: &HashMap<&str, i64>) -> Option<Vec<Insn>> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let offset = |target: &str| match labels.get(target) {
        Some(target) => i16::try_from(target - here as i64 - 1).ok(),
        None => target.parse().ok(),
    };
    let one = match words[..] {
        // `BPF_PSEUDO_MAP_FD`, with the map's place in a list.
        [dst, "=", "map", place] => {
            let first = Insn::new(0x18, register(dst)?, Reg::R1, 0, place.parse().ok()?);
            return Some(vec![first, Insn::new(0, Reg::R0, Reg::R0, 0, 0)]);
        }
        ["lock", size, base, at, "+=", src] => {
            let plain = store(size, &format!("{base}{at}"), src)?;
            let mut atomic = plain;
            atomic.code = plain.code & 0x1f | 0xc0;
            atomic
        }
        ["exit"] => Insn::new(0x95, Reg::R0, Reg::R0, 0, 0),
        ["call", helper] => Insn::new(0x85, Reg::R0, Reg::R0, 0, helper.parse().ok()?),
        [size, at, "=", src] if size.starts_with("*(") => store(size, at, src)?,
        [size, base, at, "=", src] if size.starts_with("*(") => {
            store(size, &format!("{base}{at}"), src)?
        }
        ["goto", target] => Insn::new(0x05, Reg::R0, Reg::R0, offset(target)?, 0),
        ["if", dst, condition, src, "goto", target] => {
            let class = if dst.starts_with('w') { 0x06 } else { 0x05 };
            binary(class | code(&CONDITIONS, condition)?, dst, src, offset(target)?)?
        }
        [dst, "=", value, "ll"] => return wide(register(dst)?, number(value)?),
        [dst, "=", size, base, at] => {
            let base = register(base.strip_prefix("*)(")?)?;
            let at = at.strip_suffix(')')?.parse().ok()?;
            Insn::new(code(&LOADS, size)?, register(dst)?, base, at, 0)
        }
        [dst, "=", negated] if negated.strip_prefix('-') == Some(dst) => {
            Insn::new(alu_class(dst) | 0x80, register(dst)?, Reg::R0, 0, 0)
        }
        [dst, operation, src] => binary(alu_class(dst) | code(&ALU, operation)?, dst, src, 0)?,
        _ => return None,
    };
    Some(vec![one])
}

/// `*(u64 *)(r10 -8) = r1`: the words before the sign are the size and the place.
fn store(size: &str, place: &str, src: &str) -> Option<Insn> {
    let code = code(&STORES, size)?;
    let place = place.strip_prefix("*)(")?.strip_suffix(')')?;
    let (base, at) = place.split_at(place.find(['+', '-'])?);
    let (base, at) = (register(base)?, at.parse().ok()?);
    Some(match register(src) {
        Some(src) => Insn::new(code, base, src, at, 0),
        // BPF_ST, not BPF_STX.
        None => Insn::new(code - 1, base, Reg::R0, at, immediate(src)?),
    })
}

fn alu_class(dst: &str) -> u8 {
    if dst.starts_with('w') { 0x04 } else { 0x07 }
}

fn code(codes: &[(&str, u8)], sign: &str) -> Option<u8> {
    codes.iter().find(|(known, _)| *known == sign).map(|(_, code)| *code)
}

fn binary(code: u8, dst: &str, src: &str, off: i16) -> Option<Insn> {
    let dst = register(dst)?;
    Some(match register(src) {
        Some(src) => Insn::new(code | 0x08, dst, src, off, 0),
        None => Insn::new(code, dst, Reg::R0, off, immediate(src)?),
    })
}

fn register(name: &str) -> Option<Reg> {
    let number = name.strip_prefix(['r', 'w'])?;
    Reg::from_number(number.parse().ok()?)
}

/// A number of 32 bits, with a sign or without.
fn immediate(text: &str) -> Option<i32> {
    match text.strip_prefix('-') {
        Some(_) => text.parse().ok(),
        None => u32::try_from(number(text)?).ok().map(u32::cast_signed),
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn wide(dst: Reg, value: u64) -> Option<Vec<Insn>> {
    let half = |value: u64| (value as u32).cast_signed();
    let first = Insn::new(0x18, dst, Reg::R0, 0, half(value));
    Some(vec![first, Insn::new(0, Reg::R0, Reg::R0, 0, half(value >> 32))])
}
