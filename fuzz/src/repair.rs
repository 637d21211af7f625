//! Makes a program of any bytes that the analyzer can follow to its end. What is valid stays.

use devgate::bpf::{AluOp, Cond, Insn, Program, Reg};

const LDDW: u8 = 0x18;
const EXIT: u8 = 0x95;
const JA: u8 = 0x05;
const JA32: u8 = 0x06;
const NEG: [u8; 2] = [0x84, 0x87];
/// Each load of the context: opcode and offset.
const LOADS: [(u8, i16); 9] = [
    (0x61, 0),
    (0x61, 4),
    (0x61, 8),
    (0x69, 0),
    (0x69, 2),
    (0x71, 0),
    (0x71, 1),
    (0x71, 2),
    (0x71, 3),
];
const MOV32: u8 = 0xb4;

/// Registers that hold numbers: all but the context's and the stack's.
const NUMBERS: [u8; 9] = [0, 2, 3, 4, 5, 6, 7, 8, 9];

/// A program that begins with loads into all registers and ends with `exit`.
pub fn repaired(slots: &[[u8; Insn::SIZE]]) -> Program {
    let mut insns = prologue();
    let mut wide = false;
    for (index, slot) in slots.iter().enumerate() {
        let written = Insn::from_bytes(*slot);
        // The slots of the input that follow, and the `exit` at the end.
        let left = slots.len() - index;
        let insn = match wide {
            true => insn(0, 0, 0, 0, written.imm),
            false => repair(written, left),
        };
        wide = !wide && insn.code == LDDW;
        insns.push(insn);
    }
    insns.push(insn(EXIT, 0, 0, 0, 0));
    Program::new(insns)
}

fn prologue() -> Vec<Insn> {
    let mut insns = vec![
        insn(0x61, 2, 1, 0, 0),
        insn(0x61, 3, 1, 0, 0),
        insn(0x61, 4, 1, 4, 0),
        insn(0x61, 5, 1, 8, 0),
        insn(0x61, 6, 1, 4, 0),
        insn(0x61, 7, 1, 8, 0),
    ];
    insns.extend([(0, 0), (8, 1), (9, -1)].map(|(dst, imm)| insn(MOV32, dst, 0, 0, imm)));
    insns
}

/// `left` slots follow, of which the last is an `exit`.
fn repair(written: Insn, left: usize) -> Insn {
    let codes = codes();
    let code = match codes.contains(&written.code) {
        true => written.code,
        false => codes[usize::from(written.code) % codes.len()],
    };
    let (dst, src) = (number(written.dst()), number(written.src()));
    let jump = |distance: i64| distance.rem_euclid(left as i64);
    let near = jump(written.off.into()) as i16;
    match code {
        // Its second half would be the `exit`.
        LDDW if left < 2 => insn(EXIT, 0, 0, 0, 0),
        LDDW => insn(code, dst, 0, 0, written.imm),
        EXIT => insn(code, 0, 0, 0, 0),
        JA => insn(code, 0, 0, near, 0),
        JA32 => insn(code, 0, 0, 0, jump(written.imm.into()) as i32),
        _ if code & 7 == 1 => {
            let at = LOADS.iter().position(|load| *load == (code, written.off));
            let (code, off) = LOADS[at.unwrap_or(written.off as usize % LOADS.len())];
            insn(code, dst, 1, off, 0)
        }
        _ if matches!(code & 7, 5 | 6) => insn(code, dst, src, near, written.imm),
        _ => insn(code, dst, src, 0, written.imm),
    }
}

/// Every opcode that a device program may have.
fn codes() -> Vec<u8> {
    let mut codes = vec![LDDW, EXIT, JA, JA32, 0x61, 0x69, 0x71];
    codes.extend(NEG);
    for source in [0, 8] {
        codes.extend(
            AluOp::ALL.iter().flat_map(|op| [4, 7].map(|class| op.code() | source | class)),
        );
        codes.extend(
            Cond::ALL.iter().flat_map(|cond| [5, 6].map(|class| cond.code() | source | class)),
        );
    }
    codes
}

fn number(register: u8) -> u8 {
    match NUMBERS.contains(&register) {
        true => register,
        false => NUMBERS[usize::from(register) % NUMBERS.len()],
    }
}

fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    let register = |number| Reg::from_number(number).expect("one of the numbers above");
    Insn::new(code, register(dst), register(src), off, imm)
}
