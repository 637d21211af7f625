//! Fault injection: the real binary on real cgroups, with syscalls that fail and kills.

mod allowed;
mod calls;
mod commands;
mod exceptions;
mod explore;
mod judge;
mod observed;
mod plan;
mod report;
mod stage;
mod tracee;
mod worlds;

#[path = "../common/mod.rs"]
mod common;

use std::env;
use std::sync::Mutex;
use std::time::Instant;

use common::{random, require};
use explore::{ALL, Budget, Scene, explore};
use plan::{Fault, Plan};
use report::Report;
use worlds::Programs;

/// Which command runs in which world, how much of it in CI, and how much in `make faults`.
const SCENES: &[(&str, &str, Budget, Budget)] = &[
    ("none", "hook", SOME, ALL),
    ("one", "hook-log", SOME, ALL),
    ("three", "hook", MANY, ALL),
    ("three", "apply", EACH, ALL),
    ("three-last", "hook-log", EACH, ALL),
    ("link", "hook-log", SOME, ALL),
    ("link-among", "hook", SOME, ALL),
    ("none", "hook-try", SOME, ALL),
    ("three", "hook-require", SOME, ALL),
    ("held", "hook-try", SOME, ALL),
    ("held", "apply-try", EACH, ALL),
    ("held-among", "hook-require", SOME, ALL),
    ("held-among", "hook", SOME, ALL),
    ("exclusive", "hook-try", FEW, ALL),
    ("64", "hook-try", FEW, SAMPLE),
    ("exclusive", "hook", SOME, ALL),
    ("override", "hook", FEW, ALL),
    ("own", "hook-own", SOME, ALL),
    ("own", "hook-beside", FEW, ALL),
    ("below-exclusive", "hook", FEW, ALL),
    ("below-override", "hook", FEW, ALL),
    ("three", "detach", EACH, ALL),
    ("link", "detach", FEW, ALL),
    ("exclusive", "detach", FEW, ALL),
    ("63", "hook", FEW, SAMPLE),
    ("64", "hook", FEW, SAMPLE),
    ("64-unlike", "hook", FEW, SAMPLE),
];

const FEW: Budget = Budget { first: 30, then_kills: 1, then_errors: 1 };
const SOME: Budget = Budget { first: 120, then_kills: 1, then_errors: 2 };
const EACH: Budget = Budget { first: usize::MAX, then_kills: 1, then_errors: 2 };
const MANY: Budget = Budget { first: usize::MAX, then_kills: 3, then_errors: 6 };
/// Where a run calls bpf(2) some hundred times.
const SAMPLE: Budget = Budget { first: 500, then_kills: 1, then_errors: 2 };

fn all_scenes(budget: impl Fn(Budget, Budget) -> Budget) {
    if !require::bpf() {
        return;
    }
    let seed = random::seed();
    let start = Instant::now();
    let report = Mutex::new(Report::default());
    for (world, command, in_ci, in_full) in SCENES {
        explore(Scene::named(world, command), budget(*in_ci, *in_full), seed, &report);
        let report = report.lock().expect("no worker panicked");
        let (runs, violations) = (report.runs(), report.violations.len());
        println!(
            "{world} {command}: {runs} runs, {violations} violations, {:.0?}",
            start.elapsed()
        );
    }
    let report = report.into_inner().expect("no worker panicked");
    println!("DEVGATE_SEED={seed}\n{report}");
    assert!(report.violations.is_empty(), "{} violations", report.violations.len());
    // A fault that never came tests nothing.
    assert!(report.missed * 100 <= report.runs(), "{} faults did not come", report.missed);
}

#[test]
fn a_part_of_all_faults() {
    all_scenes(|in_ci, _| in_ci);
}

#[test]
#[ignore = "it takes minutes: make faults"]
fn all_faults() {
    all_scenes(|_, in_full| in_full);
}

/// `make faults CASE='three hook bpf:error=EPERM:when=6+'`
#[test]
#[ignore = "it runs the case that DEVGATE_FAULTS_CASE names: make faults CASE=..."]
fn one_case() {
    if !require::bpf() {
        return;
    }
    let case = env::var("DEVGATE_FAULTS_CASE").expect("DEVGATE_FAULTS_CASE names a case");
    let words: Vec<&str> = case.split_whitespace().collect();
    let [world, command, ref faults @ ..] = words[..] else { panic!("no case: {case}") };
    let fault = |text: &&str| text.parse::<Fault>().expect("a fault");
    let plan = Plan(faults.iter().map(fault).collect());
    let scene = Scene::named(world, command);
    let programs = Programs::load(scene.world);
    let mut stage = scene.stage(&programs);
    let (observed, broken) = scene.attempt(&mut stage, &plan);
    println!("{}", observed.transcript());
    broken.iter().for_each(|broken| println!("{broken}"));
    assert!(broken.iter().all(|broken| broken.excuse.is_some()), "{} violations", broken.len());
}
