//! Policies of thousands of rules: they compile within the kernel's limits, jumps that 16 bits
//! can't say included, and are proven in seconds.

mod common;

use std::time::Instant;

use common::random::{Near, seed};
use common::witness::Witnesses;
use devgate::bpf::{AluOp, Op, Program, decode};
use devgate::compile::{MAX_INSNS, compile};
use devgate::device::{Access, DeviceType};
use devgate::policy::{DefaultDevices, Number, Policy, Rule, TypeMatch, Verdict};
use devgate::verify::verify;
use fastrand::Rng;

const REQUESTS: usize = 1_000;

/// Compiles and proves the policy and asks all witnesses.
fn check(name: &str, rules: Vec<Rule>, rng: &mut Rng) -> Program {
    let (count, start) = (rules.len(), Instant::now());
    let policy = Policy::new(rules, DefaultDevices::Base);
    let program = compile(&policy).unwrap_or_else(|error| panic!("{name}: {error}"));
    let compiled = start.elapsed();
    if let Err(error) = verify(program.clone(), &policy) {
        panic!("{name}: {error:?}");
    }
    let proven = start.elapsed() - compiled;
    ask(name, &policy, &program, rng);
    let insns = program.insns().len();
    println!(
        "{name}: {count} rules, {insns} instructions, compiled in {compiled:.1?}, \
         proven in {proven:.1?}, {REQUESTS} requests"
    );
    assert!(insns <= MAX_INSNS);
    program
}

fn ask(name: &str, policy: &Policy, program: &Program, rng: &mut Rng) {
    let bytes = program.to_bytes();
    let witnesses = Witnesses::new(policy, program, &bytes);
    let near = Near::of(policy);
    for _ in 0..REQUESTS {
        if let Err(problem) = witnesses.agree(&near.request(rng)) {
            panic!("{name}: {problem}");
        }
    }
}

fn device_type(rng: &mut Rng) -> TypeMatch {
    TypeMatch::Only(if rng.bool() { DeviceType::Char } else { DeviceType::Block })
}

fn access(rng: &mut Rng) -> Access {
    Access::from_kernel_bits(rng.u32(1..8)).expect("three bits")
}

fn verdict(rng: &mut Rng) -> Verdict {
    if rng.u32(..4) == 0 { Verdict::Deny } else { Verdict::Allow }
}

/// A rule for one device that may exist on Linux.
fn exact(rng: &mut Rng) -> Rule {
    let (major, minor) = (rng.u32(..1 << 12), rng.u32(..1 << 20));
    let numbers = [Number::Exactly(major), Number::Exactly(minor)];
    rule(rng, numbers)
}

fn rule(rng: &mut Rng, [major, minor]: [Number; 2]) -> Rule {
    Rule::new(verdict(rng), device_type(rng), major, minor, access(rng))
}

#[test]
fn five_thousand_rules_with_wildcard_minors() {
    let mut rng = Rng::with_seed(seed());
    let rules = (0..5_000)
        .map(|_| match rng.u32(..10) {
            0 => {
                let major = Number::Exactly(rng.u32(..1 << 12));
                rule(&mut rng, [major, Number::Any])
            }
            _ => exact(&mut rng),
        })
        .collect();
    check("wildcard minors", rules, &mut rng);
}

#[test]
fn ten_thousand_rules_for_neighbours() {
    let mut rng = Rng::with_seed(seed());
    let rules = (0..10_000)
        .map(|_| {
            let numbers = [rng.u32(..40), rng.u32(..2_000)].map(Number::Exactly);
            rule(&mut rng, numbers)
        })
        .collect();
    check("neighbours", rules, &mut rng);
}

#[test]
fn ten_thousand_random_rules() {
    let mut rng = Rng::with_seed(seed());
    let rules = (0..10_000).map(|_| exact(&mut rng)).collect();
    check("random", rules, &mut rng);
}

#[test]
fn many_wildcard_minors_across_many_wildcard_majors() {
    let mut rng = Rng::with_seed(seed());
    let mut rules = Vec::new();
    for _ in 0..200 {
        let (major, minor) = (Number::Exactly(rng.u32(..500)), Number::Exactly(rng.u32(..500)));
        rules.push(rule(&mut rng, [major, Number::Any]));
        rules.push(rule(&mut rng, [Number::Any, minor]));
    }
    check("wildcards across", rules, &mut rng);
}

/// Rules for all of a type's devices with these numbers.
fn plain(verdict: Verdict, device_type: TypeMatch, numbers: [Option<u32>; 2]) -> Rule {
    let [major, minor] = numbers.map(|number| number.map_or(Number::Any, Number::Exactly));
    Rule::new(verdict, device_type, major, minor, Access::ALL)
}

const CHAR: TypeMatch = TypeMatch::Only(DeviceType::Char);

#[test]
fn one_minor_of_every_major_beside_all_minors_of_many() {
    let mut rng = Rng::with_seed(seed());
    let any_major = (0..316).map(|n| plain(Verdict::Allow, CHAR, [None, Some(2 * n)]));
    let any_minor = (0..316).map(|n| plain(Verdict::Allow, CHAR, [Some(2 * n), None]));
    check("one after the other", any_major.clone().chain(any_minor.clone()).collect(), &mut rng);
    let by_turns = any_major.zip(any_minor).flat_map(|(any_major, any_minor)| {
        let denied =
            plain(Verdict::Deny, CHAR, [any_minor.major(), any_major.minor()].map(exactly));
        [any_minor, any_major, denied]
    });
    check("by turns", by_turns.collect(), &mut rng);
}

fn exactly(number: Number) -> Option<u32> {
    match number {
        Number::Any => None,
        Number::Exactly(number) => Some(number),
    }
}

#[test]
fn a_hundred_thousand_minors_of_one_major() {
    let mut rng = Rng::with_seed(seed());
    let minors = |step: u32| {
        let rule = move |n| plain(Verdict::Allow, CHAR, [Some(10), Some(step * n)]);
        (0..100_001).map(rule).collect()
    };
    check("all minors", minors(1), &mut rng);
    // One bit test holds for half of the numbers up to 200,000.
    check("every second minor", minors(2), &mut rng);
}

#[test]
fn types_that_are_alike_in_most_majors_share_these() {
    let mut rng = Rng::with_seed(seed());
    let mut rules = vec![plain(Verdict::Allow, TypeMatch::Any, [None, None])];
    let denied = |n: u32| plain(Verdict::Deny, TypeMatch::Any, [Some(3 * n), None]);
    rules.extend((0..150_000).map(denied));
    let same = check("the same", rules.clone(), &mut rng).insns().len();
    rules.push(plain(Verdict::Deny, CHAR, [Some(100_001), None]));
    let alike = check("alike", rules, &mut rng).insns().len();
    assert!(alike < same + 100, "{alike} instructions, not {same}");
}

/// Why there is no program.
fn refusal(rules: impl Iterator<Item = Rule>) -> String {
    let policy = Policy::new(rules.collect(), DefaultDevices::None);
    compile(&policy).expect_err("it is too large").to_string()
}

#[test]
fn what_would_take_too_long_is_refused_with_its_limit() {
    let across = (0..3_000).flat_map(|n| {
        let number = Some(2 * n);
        [[None, number], [number, None]].map(|numbers| plain(Verdict::Allow, CHAR, numbers))
    });
    assert_eq!(
        refusal(across),
        "the policy's 6000 rules take more than 10000000 steps to compile and prove, which is the \
         limit: name fewer devices, above all not one minor of every major (\"*:N\") beside many \
         majors"
    );
}

#[test]
fn what_the_kernel_would_not_take_is_refused_with_its_limit() {
    let mut rng = Rng::with_seed(seed());
    let all = (0..250_000).map(|_| {
        let numbers = [rng.u32(..), rng.u32(..)].map(Number::Exactly);
        rule(&mut rng, numbers)
    });
    let refusal = refusal(all.collect::<Vec<_>>().into_iter());
    let insns = refusal.strip_prefix("the policy's 250000 rules need ");
    let (insns, limit) = insns.and_then(|rest| rest.split_once(' ')).expect("it tells both");
    assert!(insns.parse::<usize>().is_ok_and(|insns| insns > MAX_INSNS), "{refusal}");
    assert!(limit.contains(&format!("the kernel takes about {MAX_INSNS}: name fewer")), "{limit}");
}

#[test]
fn jumps_too_long_for_16_bits_go_over_islands() {
    let mut rng = Rng::with_seed(seed());
    let rules = (0..40_000).map(|_| exact(&mut rng)).collect();
    let program = check("islands", rules, &mut rng);
    assert!(program.insns().len() > 40_000);
    let islands = islands(&program);
    println!("{islands} islands");
    assert!(islands > 0);
}

/// Plain jumps that only jumps lead to: the instruction before does not fall through.
fn islands(program: &Program) -> usize {
    let insns = program.insns();
    let op = |index| decode(insns, index).map(|decoded| decoded.op);
    (1..insns.len())
        .filter(|index| {
            matches!(op(*index), Ok(Op::Jump { .. }))
                && matches!(op(index - 1), Ok(Op::Jump { .. } | Op::Exit))
        })
        .count()
}

#[test]
fn no_instruction_of_a_long_program_is_unreachable() {
    let mut rng = Rng::with_seed(seed());
    let rules = (0..40_000).map(|_| exact(&mut rng)).collect();
    let policy = Policy::new(rules, DefaultDevices::Base);
    let program = compile(&policy).expect("it fits");
    let insns = program.insns();
    // Jumps only lead forward, so one pass finds what can be reached.
    let mut reached = vec![false; insns.len()];
    reached[0] = true;
    for index in 0..insns.len() {
        assert!(reached[index], "instruction {index} can't be reached");
        let decoded = decode(insns, index).expect("an instruction");
        match decoded.op {
            Op::Exit => {}
            Op::Jump { target } => reached[target] = true,
            Op::Branch { target, .. } => {
                reached[target] = true;
                reached[decoded.next] = true;
            }
            Op::Alu { op: AluOp::Mov | AluOp::Lsh, .. } | Op::Load { .. } => {
                reached[decoded.next] = true;
            }
            other => panic!("instruction {index}: {other:?}"),
        }
    }
}
