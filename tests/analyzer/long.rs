//! A chain of rules as long as they get.

use std::time::Instant;

use devgate::analyze::{Budget, analyze, longest_path};
use devgate::device::Access;
use devgate::device::DeviceType;
use devgate::policy::{DefaultDevices, Number, Policy, Rule, TypeMatch, Verdict};
use fastrand::Rng;

use crate::common::assembly::assemble;
use crate::common::random::{Near, seed};
use crate::common::witness::interpreter;
use crate::generators::Shape;
use crate::grid::{partition, verdict};

const RULES: usize = 1_000;
const REQUESTS: usize = 500;

#[test]
fn a_chain_of_a_thousand_rules_is_analyzed() {
    let mut rng = Rng::with_seed(seed());
    let rules: Vec<Rule> = (0..RULES).map(|_| rule(&mut rng)).collect();
    let program = assemble(&Shape::Runc.program(&rules));
    let start = Instant::now();
    let regions = analyze(&program, Budget::PROOF).expect("it is understood");
    println!(
        "{} instructions, {} regions, {:.1?}",
        program.insns().len(),
        regions.len(),
        start.elapsed()
    );
    partition(&regions);
    let near = Near::of(&Policy::new(rules, DefaultDevices::None));
    for _ in 0..REQUESTS {
        let request = near.request(&mut rng);
        assert_eq!(verdict(&regions, &request), interpreter(&program, &request), "{request}");
    }
    let longest = longest_path(&program, &regions).expect("it runs");
    assert!(longest <= program.insns().len());
}

/// Wildcards are few, as in a config.
fn rule(rng: &mut Rng) -> Rule {
    let verdict = if rng.u8(..4) == 0 { Verdict::Deny } else { Verdict::Allow };
    let device_type = if rng.bool() { DeviceType::Char } else { DeviceType::Block };
    let major = Number::Exactly(rng.u32(..300));
    let minor = if rng.u8(..40) == 0 { Number::Any } else { Number::Exactly(rng.u32(..1 << 20)) };
    let access = Access::from_kernel_bits(rng.u32(1..8)).expect("three bits");
    Rule::new(verdict, TypeMatch::Only(device_type), major, minor, access)
}
