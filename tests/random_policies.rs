//! Random policies: each compiles, its program is proven equal to it, and `decide()`, our
//! interpreter and rbpf agree on requests close to its numbers.
//!
//! `DEVGATE_SEED` repeats a run; see `common/random.rs`. Policies of sizes that no random one
//! here has are in `large_policies.rs`.

mod common;

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use common::random::{Case, seed};
use common::witness::Witnesses;
use devgate::compile::compile;
use devgate::verify::verify;

const POLICIES: u64 = 60_000;
const REQUESTS: usize = 25;

#[test]
fn program_and_policy_agree() {
    let (seed, start) = (seed(), Instant::now());
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let insns: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(seed, &next))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker fails")).sum()
    });
    let (requests, seconds) = (POLICIES * REQUESTS as u64, start.elapsed().as_secs_f32());
    println!("{POLICIES} policies, {insns} instructions, {requests} requests: {seconds:.1} s");
}

/// Takes cases until there are none left; the instructions compiled.
fn work(seed: u64, next: &AtomicU64) -> usize {
    let mut insns = 0;
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= POLICIES {
            return insns;
        }
        let mut case = Case::new(seed, index);
        insns += check(&mut case).unwrap_or_else(|problem| panic!("{problem}\n{case}"));
    }
}

/// The length of the case's program.
fn check(case: &mut Case) -> Result<usize, String> {
    let requests = case.requests(REQUESTS);
    let policy = &case.policy;
    let program = compile(policy).map_err(|error| error.to_string())?;
    verify(program.clone(), policy).map_err(|error| format!("{error:?}"))?;
    let bytes = program.to_bytes();
    let witnesses = Witnesses::new(policy, &program, &bytes);
    for request in requests {
        witnesses.agree(&request)?;
    }
    Ok(program.insns().len())
}
