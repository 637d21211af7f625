//! Programs that may deny a request, or do more than look on. Each has one thing wrong.

use std::error::Error;

use devgate::bpf::{Insn, Program, Reg};
use devgate::verify::prove_allows_all;

use crate::accepted::{LOOK_UP, MAPS};
use crate::common::assembly::assemble;
use crate::common::enforce::chain;

/// Why the program is refused.
#[track_caller]
fn refusal(program: Program) -> String {
    let error = prove_allows_all(program.clone(), MAPS.to_vec());
    let error: &dyn Error = &error.expect_err("it is not to be proven");
    chain(error)
}

/// Each program, after the lines that they have in common, is refused for this reason.
#[track_caller]
fn all_refused(before: &str, reason: &str, programs: &[&str]) {
    for text in programs {
        let refusal = refusal(assemble(&format!("{before} {text}; out: ; w0 = 1; exit")));
        assert!(refusal.contains(reason), "{text}: {refusal}");
    }
}

/// An instruction that can't be written as text, between others.
#[track_caller]
fn refused_insns(before: &str, insns: &[Insn], reason: &str) {
    let all = [assemble(before).insns(), insns, assemble("w0 = 1; exit").insns()].concat();
    let refusal = refusal(Program::new(all));
    assert!(refusal.contains(reason), "{insns:?}: {refusal}");
}

const PLACE: &str = "which are neither of the stack nor of a value";

#[test]
fn one_denied_request_of_all_is_found() {
    let text = "r2 = *(u32 *)(r1 +4); if w2 != 4095 goto out; \
                r2 = *(u32 *)(r1 +8); if w2 != 0xfffff goto out; \
                r2 = *(u32 *)(r1 +0); if w2 != 0x40001 goto out; w0 = 0; exit";
    all_refused("", "may deny requests, such as b 4095:1048575 w", &[text]);
    // Beyond the numbers that devices have.
    let text = "r2 = *(u32 *)(r1 +4); if w2 != 0xffffffff goto out; w0 = 0; exit";
    all_refused("", "may deny requests, such as b 4294967295:0", &[text]);
}

#[test]
fn a_denial_that_hangs_on_something_unknown_is_a_denial() {
    let denials = [
        "if r0 == 0 goto out; w0 = 0; exit",
        "if r0 != 0 goto out; exit",
        "if r0 == 0 goto out; r1 = *(u64 *)(r0 +0); if r1 != 0x7fffffff goto out; w0 = 0; exit",
        "call 5; if r0 > 1 goto out; exit",
        "call 186; r0 += 1; exit",
        "call 14; exit",
        "r0 = *(u64 *)(r10 -8); exit",
        // As a value compares with itself nothing is known of it.
        "call 5; r1 = r0; if r0 == r1 goto out; w0 = 0; exit",
        "w0 = 2; exit",
        "r0 = 0x100000000 ll; exit",
        "w0 = 1; w0 <<= 1; exit",
    ];
    all_refused(LOOK_UP, "may deny requests, such as", &denials);
}

#[test]
fn functions_that_do_more_than_look_on_are_refused() {
    // set_retval, tail_call, trace_printk, perf_event_output, redirect_map, map_delete_elem,
    // spin_lock, for_each_map_elem, ringbuf_reserve, ringbuf_submit, loop, dynptr_from_mem.
    for helper in [187, 12, 6, 25, 51, 3, 93, 164, 131, 132, 181, 197, 0, -1, 99_999, i32::MAX] {
        let reason = format!("calls helper function {helper}, which is not on the list");
        all_refused("w1 = 0; w2 = 0;", &reason, &[&format!("call {helper}")]);
    }
    let call = |kind, imm| Insn::new(0x85, Reg::R0, kind, 0, imm);
    refused_insns("r2 = 1", &[call(Reg::R1, 0)], "calls a function");
    refused_insns("r2 = 1", &[call(Reg::R2, 9)], "calls a function");
    refused_insns("r2 = 1", &[Insn::new(0x8d, Reg::R2, Reg::R0, 0, 0)], "unknown opcode 0x8d");
}

#[test]
fn the_context_is_not_written() {
    let stores = [
        "*(u32 *)(r1 +0) = 0",
        "*(u32 *)(r1 +4) = r2",
        "*(u8 *)(r1 +8) = 7",
        "r6 = r1; *(u64 *)(r6 +0) = 0",
        "r1 += 4; *(u32 *)(r1 +0) = 0",
        "w2 = 1; lock *(u32 *)(r1 +4) += r2",
        "*(u64 *)(r10 -8) = r1; r2 = *(u64 *)(r10 -8); *(u32 *)(r2 +0) = 0",
        // What a helper writes for it.
        "w2 = 4; call 16",
    ];
    for store in stores {
        let refusal = refusal(assemble(&format!("{store}; w0 = 1; exit")));
        assert!(refusal.contains(PLACE), "{store}: {refusal}");
    }
}

#[test]
fn what_a_lookup_returned_is_no_value_until_it_was_compared_with_null() {
    let stores = [
        "*(u64 *)(r0 +0) = 0",
        "r1 = *(u64 *)(r0 +0)",
        "if r0 == 0 goto +0; *(u64 *)(r0 +0) = 0",
        "if r0 != 0 goto out; *(u64 *)(r0 +0) = 0",
        "if r0 == 0 goto use; goto out; use: ; *(u64 *)(r0 +0) = 0",
        // Of another register, of its lower half, with another number, in another way.
        "r7 = 1; if r7 == 0 goto out; *(u64 *)(r0 +0) = 0",
        "if w0 == 0 goto out; *(u64 *)(r0 +0) = 0",
        "if r0 == 1 goto out; *(u64 *)(r0 +0) = 0",
        "if r0 > 0 goto use; goto out; use: ; *(u64 *)(r0 +0) = 0",
        "if r0 & 0xffff goto use; goto out; use: ; *(u64 *)(r0 +0) = 0",
        // Moved before it was compared: null is not 0 then.
        "r0 += 8; if r0 == 0 goto out; *(u64 *)(r0 +0) = 0",
        "r7 = r0; r7 += 8; if r0 == 0 goto out; *(u64 *)(r7 +0) = 0",
        "w7 = w0; if r0 == 0 goto out; *(u64 *)(r7 +0) = 0",
        // Compared on one of two ways.
        "call 5; if r0 == 0 goto use; call 80; use: ; *(u64 *)(r0 +0) = 0",
        "r7 = r0; call 5; if r0 == 0 goto use; if r7 == 0 goto out; use: ; *(u64 *)(r7 +0) = 0",
        // Compared, and then another one.
        "if r0 == 0 goto out; r1 = map 0; r2 = r10; r2 += -8; call 1; *(u64 *)(r0 +0) = 0",
        "r7 = r0; r1 = map 0; r2 = r10; r2 += -8; call 1; if r0 == 0 goto out; \
         *(u64 *)(r7 +0) = 0",
    ];
    all_refused(LOOK_UP, PLACE, &stores);
}

#[test]
fn nothing_beyond_a_value_or_the_stack_is_used() {
    let value = [
        "*(u64 *)(r0 +9) = 0",
        "*(u64 *)(r0 +16) = 0",
        "*(u8 *)(r0 +16) = 0",
        "*(u8 *)(r0 -1) = 0",
        "r0 += 9; *(u64 *)(r0 +0) = 0",
        "r0 += 16; *(u8 *)(r0 +0) = 0",
        "r0 += -1; *(u8 *)(r0 +0) = 0",
        "r1 = 0x7fffffffffffffff ll; r0 += r1; *(u8 *)(r0 +9) = 0",
        "r1 = 0xffffffffffffffff ll; r0 += r1; *(u8 *)(r0 +0) = 0",
        "r1 = *(u64 *)(r0 +0); r0 += r1; *(u8 *)(r0 +0) = 0",
        "r1 = *(u64 *)(r0 +0); r1 &= 7; r0 += r1; *(u8 *)(r0 +0) = 0",
        "r1 = *(u64 *)(r0 +0); *(u8 *)(r1 +0) = 0",
        "r0 -= 1; *(u8 *)(r0 +1) = 0",
        "w0 += 0; *(u8 *)(r0 +0) = 0",
        "r0 |= 1; *(u8 *)(r0 +0) = 0",
        "w1 = 1; lock *(u64 *)(r0 +12) += r1",
        // One register was moved on one of two ways.
        "r7 = r0; call 5; if r0 == 0 goto use; r7 += 12; use: ; *(u64 *)(r7 +0) = 0",
    ];
    all_refused(&format!("{LOOK_UP} if r0 == 0 goto out;"), PLACE, &value);
    let stack = [
        "*(u8 *)(r10 +0) = 0",
        "*(u64 *)(r10 -4) = 0",
        "*(u8 *)(r10 -513) = 0",
        "*(u64 *)(r10 -514) = 0",
        "r2 = r10; r2 += -512; *(u8 *)(r2 -1) = 0",
        "r2 = r10; r2 += -8; *(u64 *)(r2 +1) = 0",
        "r2 = r10; r2 += -8; r2 += 8; *(u8 *)(r2 +0) = 0",
        "r2 = 0x8000000000000000 ll; r3 = r10; r3 += r2; *(u8 *)(r3 -1) = 0",
        "r2 = r10; r2 &= -8; *(u8 *)(r2 -8) = 0",
        "w2 = w10; *(u8 *)(r2 -8) = 0",
        "r2 = 1024; *(u8 *)(r2 +0) = 0",
        "r2 = map 0; *(u64 *)(r2 +0) = 0",
        "r2 = map 0; r2 = *(u64 *)(r2 +0)",
    ];
    all_refused("", PLACE, &stack);
}

#[test]
fn an_address_that_was_stored_is_none() {
    let spilled = [
        "*(u64 *)(r10 -16) = r0; r1 = *(u64 *)(r10 -16); *(u64 *)(r1 +0) = 0",
        "r1 = r10; *(u64 *)(r10 -16) = r1; r1 = *(u64 *)(r10 -16); *(u64 *)(r1 -8) = 0",
        "*(u64 *)(r0 +0) = r0; r1 = *(u64 *)(r0 +0); *(u64 *)(r1 +0) = 0",
    ];
    all_refused(&format!("{LOOK_UP} if r0 == 0 goto out;"), PLACE, &spilled);
}

#[test]
fn a_call_leaves_nothing_in_its_registers() {
    for register in ["r1", "r2", "r3", "r4", "r5"] {
        let text = format!("{register} = r10; call 5; *(u64 *)({register} -8) = 0");
        all_refused("", PLACE, &[&text]);
    }
}

#[test]
fn helpers_get_maps_and_memory_that_they_may_have() {
    for (text, register) in [
        // No map, another kind of map, an address in one.
        ("w1 = 0; r2 = r10; r2 += -8; call 1", "r1"),
        ("r2 = r10; r2 += -8; call 1", "r1"),
        ("r1 = map 1; r2 = r10; r2 += -8; call 1", "r1"),
        ("r1 = map 0; r1 += 8; r2 = r10; r2 += -8; call 1", "r1"),
        ("r1 = map 0; r2 = r10; r2 += -8; w3 = 8; w4 = 0; call 130", "r1"),
        ("r1 = map 1; r2 = r10; r2 += -8; r3 = r2; w4 = 0; call 2", "r1"),
        // Lengths that are not known, none at all, too many.
        ("r1 = map 1; r3 = *(u32 *)(r1 +0); r2 = r10; r2 += -8; w4 = 0; call 130", "r1"),
        ("r3 = *(u32 *)(r1 +0); r1 = map 1; r2 = r10; r2 += -8; w4 = 0; call 130", "r3"),
        ("r1 = r10; r1 += -16; call 16", "r2"),
        ("r1 = r10; r1 += -16; w2 = 0; call 16", "r2"),
        ("r1 = r10; r1 += -16; w2 = 513; call 16", "r2"),
        ("r1 = r10; r1 += -16; w2 = -1; call 16", "r2"),
        ("r1 = r10; r1 += -16; r2 = r10; call 16", "r2"),
    ] {
        let refusal = refusal(assemble(&format!("{text}; w0 = 1; exit")));
        let wrong_argument = refusal.contains(&format!("{register} that does not hold"));
        assert!(wrong_argument || refusal.contains(PLACE), "{text}: {refusal}");
    }
    let memory = [
        // Keys, values and records that are not all of the program's memory.
        "r1 = map 0; r2 = r10; r2 += -7; call 1",
        "r1 = map 0; r2 = r10; r2 += -520; call 1",
        "r1 = map 0; w2 = 0; call 1",
        "r1 = map 0; r2 = r10; r2 += -8; r3 = r10; r3 += -15; w4 = 0; call 2",
        "r1 = map 1; r2 = r10; r2 += -8; w3 = 9; w4 = 0; call 130",
        "r1 = r10; r1 += -16; w2 = 17; call 16",
        "r1 = r10; w2 = 1; call 16",
    ];
    all_refused("", PLACE, &memory);
    let in_value = [
        "r1 = r0; r1 += 1; w2 = 16; call 16",
        "r2 = r0; r2 += 9; r1 = map 0; call 1",
        "r3 = r0; r3 += 1; r1 = map 0; r2 = r10; r2 += -8; w4 = 0; call 2",
    ];
    all_refused(&format!("{LOOK_UP} if r0 == 0 goto out;"), PLACE, &in_value);
}

#[test]
fn objects_that_are_not_in_the_list_are_refused() {
    let second = Insn::new(0, Reg::R0, Reg::R0, 0, 0);
    let object = |kind, imm| [Insn::new(0x18, Reg::R2, kind, 0, imm), second];
    for (kind, imm, reason) in [
        (Reg::R1, 2, "not in the list of maps"),
        (Reg::R1, -1, "not in the list of maps"),
        // A value's address, a kernel variable, a function, a place in a list of descriptors.
        (Reg::R2, 0, "not in the list of maps"),
        (Reg::R3, 0, "not in the list of maps"),
        (Reg::R4, 0, "calls a function"),
        (Reg::R5, 0, "not in the list of maps"),
        (Reg::R6, 0, "not in the list of maps"),
    ] {
        refused_insns("r3 = 1", &object(kind, imm), reason);
    }
}

#[test]
fn loops_and_ways_out_are_refused() {
    all_refused("", "jumps backwards", &["again: ; goto again", "again: ; if r1 == 0 goto again"]);
    for text in ["w0 = 1", "w0 = 1; goto +1; exit", "goto -3; w0 = 1; exit"] {
        let refusal = refusal(assemble(text));
        assert!(refusal.contains("outside of the program"), "{text}: {refusal}");
    }
    // Into the second half of a load.
    let refusal = refusal(assemble("goto +1; r2 = 0x9500000000000000 ll; w0 = 1; exit"));
    assert!(refusal.contains("unknown opcode 0x00"), "{refusal}");
    for (code, imm) in [(0x0d, 0), (0xe5, 0), (0x20, 0), (0x30, 0), (0xdb, 0x100), (0xdb, 0x110)] {
        let raw = Insn::new(code, Reg::R10, Reg::R2, -8, imm);
        refused_insns("r2 = 1", &[raw], "unknown opcode");
    }
}

#[test]
fn a_result_must_be_a_number() {
    for text in ["exit", "r0 = r1; exit", "w0 = w1; exit"] {
        let refusal = refusal(assemble(text));
        assert!(refusal.contains("holds no number"), "{text}: {refusal}");
    }
}
