//! Programs that somebody else attached cost no more than a budget, whatever they do.

use devgate::analyze::{AnalyzeError, Budget, analyze, explore};
use devgate::bpf::{ByNumber, Insn, Program};
use devgate::decode::{Answers, DecodeError};

use crate::common::assembly::assemble;
use crate::grid::says;
use crate::slow::takes_long;

fn within(text: &str) -> Result<(), AnalyzeError> {
    explore(&assemble(text), &ByNumber, Budget::REPORT).map(drop)
}

/// As a tree, the value has 2^40 nodes; what is shared is evaluated once.
#[test]
fn a_doubled_number_is_as_long_as_its_code() {
    let in_minors = format!("{} if r5 == 0 goto yes", "r5 += r5; ".repeat(40));
    assert!(!takes_long(&in_minors), "it is a tree again");
    let doubled = "r2 += r2; ".repeat(40);
    let text = format!("r2 = *(u32 *)(r1 +8); {doubled} w0 = 0; if r2 == 0 goto +1; w0 = 1; exit");
    let regions = analyze(&assemble(&text), Budget::PROOF);
    assert!(regions.is_err() || regions.is_ok(), "it ends");
    let text = format!("r2 = *(u32 *)(r1 +4); {doubled} w0 = 1; if r2 < 1 goto +1; w0 = 0; exit");
    let regions = analyze(&assemble(&text), Budget::REPORT).expect("major 0 alone gives 0");
    assert_eq!(says(&regions, "c 0:5 r").word(), "allow");
    assert_eq!(says(&regions, "c 1:5 r").word(), "deny");
}

/// A chain that was too deep for a recursion.
#[test]
fn a_deep_chain_is_understood() {
    let steps = "w2 += 1; ".repeat(1_000);
    let text = format!("r2 = *(u32 *)(r1 +8); {steps} w0 = 1; if w2 == 1005 goto +1; w0 = 0; exit");
    let regions = analyze(&assemble(&text), Budget::PROOF).expect("it is understood");
    assert_eq!(says(&regions, "c 0:5 r").word(), "allow");
    assert_eq!(says(&regions, "c 0:6 r").word(), "deny");
}

/// Each branch on something unknown doubles the ways; registers keep them apart.
#[test]
fn ways_that_never_meet_again_are_given_up() {
    let fork = |bit: u32| format!("call 7; if r0 == 0 goto +1; r6 += {}; ", 1u64 << bit);
    let forks: String = (0..30).map(fork).collect();
    let error = within(&format!("r6 = 0; {forks} w0 = 0; if r6 == 5 goto +1; w0 = 1; exit"));
    assert!(
        matches!(error, Err(AnalyzeError::TooLong { .. } | AnalyzeError::TooLarge { .. })),
        "{error:?}"
    );
}

/// Ways that do nothing different are one again.
#[test]
fn ways_that_meet_again_are_one() {
    let forks = "call 7; if r0 == 0 goto +1; w6 = 7; ".repeat(100);
    within(&format!("{forks} w0 = 1; exit")).expect("it is understood");
}

#[test]
fn a_long_program_that_forks_early_is_given_up() {
    let fork = |bit: u32| format!("call 7; if r0 == 0 goto +1; r6 += {}; ", 1u64 << bit);
    let forks: String = (0..12).map(fork).collect();
    let long = "w6 *= 3; w6 += 1; ".repeat(20_000);
    let error = within(&format!("r6 = 0; {forks} {long} w0 = 0; if r6 == 5 goto +1; w0 = 1; exit"));
    assert!(
        matches!(error, Err(AnalyzeError::TooLong { .. } | AnalyzeError::TooLarge { .. })),
        "{error:?}"
    );
}

/// As many as the kernel takes.
#[test]
fn a_million_instructions_are_within_the_budget() {
    let nothing = assemble("w6 = 1").insns().to_vec();
    let mut insns: Vec<Insn> = nothing.repeat(999_998);
    insns.extend(assemble("w0 = 1; exit").insns());
    explore(&Program::new(insns), &ByNumber, Budget::REPORT).expect("it is understood");
}

/// Each is small by itself; a table of both would not be.
#[test]
fn tables_that_multiply_are_refused() {
    let odd = |at: u8| {
        let tests: String = (0..1_000).map(|n| format!("if w2 == {} goto end; ", 2 * n)).collect();
        format!("r2 = *(u32 *)(r1 +{at}); w0 = 0; {tests} w0 = 1; end: ; exit")
    };
    let of = |at| {
        let analysis = explore(&assemble(&odd(at)), &ByNumber, Budget::REPORT);
        Answers::of(&analysis.expect("it is understood")).expect("it is small")
    };
    let together = of(4).then(&of(8));
    assert!(matches!(together, Err(DecodeError::TooLarge { .. })), "{}", together.is_ok());
}
