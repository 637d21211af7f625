//! Loading for real: these need the right to load programs.

use super::*;
use crate::bpf::{Assembler, Cond, CtxField, Reg, Size};

/// `r0 = 1; exit` behind as many conditional jumps, each verified on its own.
fn long_program(branches: usize) -> Vec<Insn> {
    let mut asm = Assembler::new();
    asm.load(Reg::R2, CtxField::AccessType { at: 0, size: Size::Word });
    for value in 0..branches {
        let next = asm.label();
        asm.branch(Cond::Ne, Reg::R2, value as u32, next);
        asm.mov(Reg::R0, 1);
        asm.exit();
        asm.bind(next);
    }
    asm.mov(Reg::R0, 1);
    asm.exit();
    asm.finish().unwrap().insns().to_vec()
}

#[test]
fn a_loaded_program_has_our_name_and_all_its_instructions() {
    let insns = long_program(3);
    let loaded = load_insns(&insns, NAME_PREFIX).unwrap();
    let program = Program::by_id(loaded.id()).unwrap();
    assert_eq!(program.name, NAME_PREFIX);
    assert_eq!(program.insn_count, insns.len());
    assert_eq!(program.insns().unwrap(), insns);
    drop(loaded);
}

#[test]
fn a_refused_program_says_where_and_why() {
    // R0 is never written.
    let insns = [Insn::new(0x95, Reg::R0, Reg::R0, 0, 0)];
    let error = load_insns(&insns, NAME_PREFIX).unwrap_err().to_string();
    assert!(error.contains("EACCES") && error.contains("R0 !read_ok"), "{error}");
    assert!(!error.contains('\n') && !error.contains("processed"), "{error}");
}

#[test]
fn the_log_grows_until_it_fits() {
    let mut insns = long_program(2_000);
    // The last result comes from nowhere.
    let mov = insns.len() - 2;
    insns[mov] = Insn::new(0xbf, Reg::R0, Reg::R5, 0, 0);
    assert!(verifier_log(&insns, NAME_PREFIX).len() > FIRST_LOG);
    let error = load_insns(&insns, NAME_PREFIX).unwrap_err().to_string();
    assert!(error.contains("R5 !read_ok"), "{error}");
}

#[test]
fn telling_lines_are_the_last_without_statistics() {
    let log = b"0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit 1000000)\n\0\0\0garbage";
    assert_eq!(telling_lines(log), "0: (95) exit; R0 !read_ok");
    assert_eq!(telling_lines(b"\0"), "the verifier said nothing");
}
