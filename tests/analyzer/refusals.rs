//! What the analyzer can't answer it says, and names the instruction.

use devgate::analyze::{AnalyzeError, Budget, analyze};
use devgate::bpf::{Insn, InsnError, InsnProblem, Program, Reg};

use crate::common::assembly::assemble;
use crate::grid::checked;

fn refused(text: &str) -> AnalyzeError {
    analyze(&assemble(text), Budget::PROOF).expect_err(text)
}

/// `text` goes on with an instruction that can't be written as text.
fn refused_raw(text: &str, insns: &[Insn]) -> AnalyzeError {
    let all = [assemble(text).insns(), insns, assemble("exit").insns()].concat();
    analyze(&Program::new(all), Budget::PROOF).expect_err("it can't be understood")
}

fn insn(index: usize, problem: InsnProblem) -> AnalyzeError {
    InsnError { index, problem }.into()
}

const MAJOR_AND_MINOR: &str = "r4 = *(u32 *)(r1 +4); r5 = *(u32 *)(r1 +8);";

#[test]
fn conditions_on_two_fields_at_once_are_mixed() {
    for (rest, index) in [
        ("r4 <<= 20; r4 |= r5; w0 = 0; if r4 == 0x100003 goto +1; w0 = 1; exit", 5),
        ("w0 = 0; if r4 == r5 goto +1; w0 = 1; exit", 3),
        ("w4 ^= w5; r0 = r4; exit", 4),
        ("r2 = *(u32 *)(r1 +0); r2 += r5; w0 = 0; if w2 > 9 goto +1; w0 = 1; exit", 5),
    ] {
        let error = refused(&format!("{MAJOR_AND_MINOR} {rest}"));
        assert_eq!(error, AnalyzeError::Mixed { index }, "{rest}");
    }
}

#[test]
fn a_combined_number_that_nothing_hangs_on_is_fine() {
    checked(&format!("{MAJOR_AND_MINOR} r4 <<= 20; r4 |= r5; w0 = 1; exit"));
    // What is mixed away is no mix.
    checked(&format!(
        "{MAJOR_AND_MINOR} r4 = r5; r4 += 1; w0 = 1; if r4 > 9 goto +1; w0 = 0; exit"
    ));
}

#[test]
fn calls_of_functions_are_named() {
    let call = |src, imm| Insn::new(0x85, Reg::R0, src, 0, imm);
    let tail_call = AnalyzeError::TailCall { index: 1 };
    assert_eq!(refused_raw("w0 = 0", &[call(Reg::R0, 12)]), tail_call);
    assert_eq!(refused_raw("w0 = 0", &[call(Reg::R1, 0)]), insn(1, InsnProblem::Function));
    assert_eq!(refused_raw("w0 = 0", &[call(Reg::R2, 9)]), insn(1, InsnProblem::Function));
    let second = Insn::new(0, Reg::R0, Reg::R0, 0, 0);
    let callback = Insn::new(0x18, Reg::R2, Reg::R4, 0, 3);
    assert_eq!(refused_raw("w0 = 0", &[callback, second]), insn(1, InsnProblem::Function));
}

#[test]
fn a_jump_backwards_is_a_loop() {
    assert_eq!(refused("w0 = 0; goto -2; exit"), insn(1, InsnProblem::Loop));
    let text = "r2 = *(u32 *)(r1 +0); again: ; w2 >>= 1; if w2 != 0 goto again; w0 = 1; exit";
    assert_eq!(refused(text), insn(2, InsnProblem::Loop));
}

#[test]
fn jumps_and_ends_outside_of_the_program_are_outside() {
    assert_eq!(refused("w0 = 0; goto +1; exit"), insn(1, InsnProblem::Outside));
    assert_eq!(refused("w0 = 0; goto -3; exit"), insn(1, InsnProblem::Outside));
    assert_eq!(refused("w0 = 0"), insn(1, InsnProblem::Outside));
    assert_eq!(refused(""), insn(0, InsnProblem::Outside));
}

#[test]
fn opcodes_that_are_not_known_are_shown() {
    for (code, off, imm) in [
        (0x37, 0, 4),  // 64-bit division
        (0x94, 0, 4),  // 32-bit remainder
        (0xdc, 0, 16), // byte order
        (0xbf, 8, 0),  // sign-extending move
        (0x81, 0, 0),  // sign-extending load
        (0xe5, 0, 0),  // may_goto
        (0x0d, 0, 0),  // gotox: a jump to where a register says
        (0x8d, 0, 0),  // callx
        (0x9d, 0, 0),  // exit, with a bit that means nothing
        (0xff, 0, 0),
        (0x00, 0, 0),
    ] {
        let raw = Insn::new(code, Reg::R0, Reg::R0, off, imm);
        let expected = insn(1, InsnProblem::Opcode { code, off, imm });
        assert_eq!(refused_raw("w0 = 0", &[raw]), expected);
    }
}

#[test]
fn loads_of_no_field_are_refused() {
    for (size, off, bytes) in [
        ("u32", 12, 4),
        ("u32", 6, 4),
        ("u32", 1, 4),
        ("u32", -4, 4),
        ("u16", 1, 2),
        ("u16", 4, 2),
        ("u8", 4, 1),
        ("u8", 8, 1),
        ("u64", 0, 8),
        ("u64", 4, 8),
    ] {
        let error = refused(&format!("r2 = *({size} *)(r1 {off:+}); w0 = 1; exit"));
        assert_eq!(error, insn(0, InsnProblem::Load { off, bytes }), "{size} {off}");
    }
}

#[test]
fn registers_hold_what_is_asked_of_them() {
    for (text, index, problem) in [
        ("exit", 0, InsnProblem::NoNumber(0)),
        ("r0 = r1; exit", 1, InsnProblem::NoNumber(0)),
        ("w0 = 0; if r7 == 0 goto +0; exit", 1, InsnProblem::NoNumber(7)),
        ("w0 = 0; if r1 == 0 goto +0; exit", 1, InsnProblem::NoNumber(1)),
        ("w0 = 0; w0 += w3; exit", 1, InsnProblem::NoNumber(3)),
        ("w0 = w4; exit", 0, InsnProblem::NoNumber(4)),
        ("r1 += 4; r0 = *(u32 *)(r1 +0); exit", 0, InsnProblem::NoNumber(1)),
        ("r0 = *(u32 *)(r2 +4); exit", 0, InsnProblem::NoContext(2)),
    ] {
        assert_eq!(refused(text), insn(index, problem), "{text}");
    }
}

#[test]
fn answers_that_no_request_determines_are_undecided() {
    for (text, index, reason) in [
        ("r0 = *(u32 *)(r10 -8); exit", 1, "what instruction 0 reads from memory"),
        ("r4 = 4; r0 = *(u32 *)(r4 +4); exit", 2, "what instruction 1 reads from memory"),
        ("w0 = 1; if r10 == 0 goto +1; w0 = 0; exit", 1, "the stack's address"),
        (
            "call 15; r0 >>= 32; exit",
            2,
            "what bpf_get_current_uid_gid, called by instruction 0, returns",
        ),
        ("call 9999; exit", 1, "what the helper function, called by instruction 0, returns"),
    ] {
        let error = refused(text);
        assert_eq!(
            error.to_string(),
            format!("instruction {index}: depends on {reason}"),
            "{text}"
        );
    }
}

#[test]
fn setting_the_return_value_is_no_answer() {
    assert_eq!(refused("r1 = 0; call 187; w0 = 1; exit"), AnalyzeError::Retval);
}

#[test]
fn a_register_set_on_one_way_only_is_not_set() {
    let text = "r2 = *(u32 *)(r1 +0); if w2 & 1 goto end; w0 = 1; end: ; exit";
    assert_eq!(refused(text), insn(3, InsnProblem::NoNumber(0)));
}

#[test]
fn a_condition_that_shreds_the_numbers_is_fragmented() {
    let error = refused("r5 = *(u32 *)(r1 +8); r0 = r5; exit");
    assert!(matches!(error, AnalyzeError::Fragmented { index: 2, .. }), "{error}");
    let error = refused("r5 = *(u32 *)(r1 +8); w0 = 0; if w5 & 2 goto +1; w0 = 1; exit");
    assert!(matches!(error, AnalyzeError::Fragmented { index: 2, .. }), "{error}");
}

#[test]
fn what_no_request_reaches_may_be_anything() {
    let garbage =
        [Insn::new(0xff, Reg::R5, Reg::R5, -1, 7), Insn::new(0x85, Reg::R0, Reg::R0, 0, 1)];
    let all = [assemble("w0 = 1; exit").insns(), &garbage].concat();
    assert_eq!(analyze(&Program::new(all), Budget::PROOF).expect("it is understood").len(), 2);
    let skipped = "r4 = *(u32 *)(r1 +4); w0 = 1; if r4 >= 0 goto +1; r0 = r9; exit";
    checked(skipped);
}
