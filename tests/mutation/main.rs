//! Mutants of compiled programs: `verify` refuses each one, or the mutant is the same program
//! in other words. Whether it is, is found by running it, not by analyzing it.

#[path = "../common/mod.rs"]
mod common;
mod equivalence;
mod mutants;

use std::array;
use std::iter;
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use common::random::{Case, seed};
use common::witness::interpreter;
use devgate::bpf::{ByNumber, Program};
use devgate::compile::compile;
use devgate::policy::{DefaultDevices, Policy};
use devgate::verify::{Counterexample, VerifyError, verify};
use equivalence::{Requests, difference};
use mutants::Kind;

/// Random policies, those about which not too much has to be asked.
const RANDOM: usize = 80;
const MOST_RULES: usize = 20;
const MOST_REQUESTS: usize = 20_000;

/// What containerd writes for a plain container.
const CONTAINERD: [&str; 10] = [
    "deny a *:* rwm",
    "allow c 1:3 rwm",
    "allow c 1:8 rwm",
    "allow c 1:7 rwm",
    "allow c 5:0 rwm",
    "allow c 1:5 rwm",
    "allow c 1:9 rwm",
    "allow c 5:1 rwm",
    "allow c 136:* rwm",
    "allow c 5:2 rwm",
];

/// A bit here and a bit there, so that leaves differ and tests are for bits.
const PARTIAL: [&str; 8] = [
    "deny a *:* rwm",
    "allow b 8:0 r",
    "allow b 8:1 rw",
    "allow b 8:3 r",
    "allow b 8:4 r",
    "allow b 8:6 rw",
    "allow c 10:* w",
    "deny c 10:229 w",
];

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    mutants: usize,
    refused: usize,
    equivalent: usize,
}

type Counts = [Count; Kind::ALL.len()];

#[test]
fn no_mutant_that_differs_is_proven() {
    let start = Instant::now();
    let policies = policies();
    let next = Mutex::new(policies.iter());
    let counts = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&next))).collect();
        let counts =
            workers.into_iter().map(|worker| worker.join().expect("all mutants are right"));
        counts.fold(Counts::default(), add)
    });
    println!("{} policies, {:.1} s", policies.len(), start.elapsed().as_secs_f32());
    for (kind, count) in Kind::ALL.into_iter().zip(counts) {
        println!("{kind:?}: {count:?}");
        assert!(count.refused > 0, "{kind:?}");
        assert_eq!(count.refused + count.equivalent, count.mutants);
    }
}

/// Takes policies until there are none left.
fn work<'p>(policies: &Mutex<impl Iterator<Item = &'p Policy>>) -> Counts {
    let next = || policies.lock().ok()?.next();
    iter::from_fn(next).map(of_policy).fold(Counts::default(), add)
}

fn policies() -> Vec<Policy> {
    let seed = seed();
    let random = (0..)
        .map(|index| Case::new(seed, index).policy)
        .filter(|policy| policy.rules().len() <= MOST_RULES && askable(policy));
    let known: [(&[&str], DefaultDevices); 4] = [
        (&CONTAINERD[..1], DefaultDevices::Base),
        (&CONTAINERD, DefaultDevices::None),
        (&CONTAINERD, DefaultDevices::Base),
        (&PARTIAL, DefaultDevices::None),
    ];
    let known = known.into_iter().map(|(rules, default_devices)| {
        let rules = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
        Policy::new(rules, default_devices)
    });
    known.chain(random.take(RANDOM)).collect()
}

fn askable(policy: &Policy) -> bool {
    let program = compile(policy).expect("it compiles");
    Requests::of(policy, [&program; 2], None).len() <= MOST_REQUESTS
}

fn add(a: Counts, b: Counts) -> Counts {
    array::from_fn(|kind| Count {
        mutants: a[kind].mutants + b[kind].mutants,
        refused: a[kind].refused + b[kind].refused,
        equivalent: a[kind].equivalent + b[kind].equivalent,
    })
}

fn of_policy(policy: &Policy) -> Counts {
    let program = compile(policy).expect("it compiles");
    Kind::ALL.map(|kind| {
        let mut count = Count::default();
        for mutant in kind.mutants(&program) {
            count.mutants += 1;
            if refuses(policy, &mutant) {
                count.refused += 1;
            } else {
                count.equivalent += 1;
                if let Some(request) = difference(policy, &program, &mutant) {
                    panic!(
                        "{kind:?}: proven, but differs for {request}\n{}",
                        show(policy, &mutant)
                    );
                }
            }
        }
        count
    })
}

/// Whether `verify` refuses the mutant, with a counterexample that is one.
fn refuses(policy: &Policy, mutant: &Program) -> bool {
    match verify(mutant.clone(), policy) {
        Ok(_) => false,
        Err(VerifyError::Analyze(_)) => true,
        Err(VerifyError::Counterexample(counterexample)) => {
            check(policy, mutant, &counterexample);
            true
        }
        Err(error) => panic!("{error}\n{}", show(policy, mutant)),
    }
}

fn check(policy: &Policy, mutant: &Program, counterexample: &Counterexample) {
    let Counterexample { request, program, policy: expected, rule } = *counterexample;
    let decision = policy.decide(&request);
    let last = decision.relevant(request.access).filter_map(|bit| bit.rule).max();
    let real = program != expected
        && program == interpreter(mutant, &request)
        && expected == decision.verdict
        && rule == last;
    assert!(real, "{counterexample}: no counterexample\n{}", show(policy, mutant));
}

fn show(policy: &Policy, mutant: &Program) -> String {
    let rules = policy.rules().iter().map(|rule| format!("  {rule}\n"));
    let lines = mutant
        .listing(&ByNumber)
        .into_iter()
        .map(|line| format!("{:4} {}\n", line.index, line.text));
    rules.chain(lines).collect()
}
