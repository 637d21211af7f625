//! BPF_PROG_LOAD of each program, and compiling and proving devgate's.

use std::time::Instant;

use anyhow::Context;
use devgate::analyze::{Budget, analyze, longest_path};
use devgate::compile::compile;
use devgate::verify::verify;
use serde::Serialize;

use crate::policy::Policy;
use crate::programs::Programs;
use crate::samples::{Samples, Summary, order};
use crate::{progress, sys};

/// Loading one program.
#[derive(Debug, Serialize)]
pub struct Load {
    /// The policy.
    pub policy: &'static str,
    /// Whose program.
    pub program: &'static str,
    /// Its time over devgate's, the median of the rounds.
    pub over_devgate: f64,
    /// Microseconds that BPF_PROG_LOAD takes.
    pub us: Summary,
    /// Instructions.
    pub insns: usize,
    /// Instructions that the kernel's verifier walked.
    pub verified_insns: u32,
    /// Instructions executed on the longest path; of devgate's alone.
    pub longest_path: Option<usize>,
}

/// Compiling and proving the program of one policy, in the library.
#[derive(Debug, Serialize)]
pub struct Compiled {
    /// The policy.
    pub policy: &'static str,
    /// Rules, defaults included.
    pub rules: usize,
    /// Microseconds for compiling.
    pub compile_us: Summary,
    /// Microseconds for proving.
    pub verify_us: Summary,
    /// Microseconds for both.
    pub both_us: Summary,
}

/// Loads every program of the policy `rounds` times.
pub fn measure(policy: &Policy, programs: &Programs, rounds: usize) -> anyhow::Result<Vec<Load>> {
    use std::os::fd::AsFd;
    let loaded = &programs.loaded;
    let mut times = vec![Samples::default(); loaded.len()];
    for round in 0..rounds {
        progress(&format!("load, {}", policy.name), round, rounds);
        for place in order(loaded.len(), round) {
            let start = Instant::now();
            let program = sys::load(&loaded[place].insns)?;
            times[place].push_us(start.elapsed());
            drop(program);
        }
    }
    let devgate = loaded.iter().position(|program| program.name == "devgate");
    let base = devgate.context("devgate's program")?;
    let load = |(place, samples): (usize, &Samples)| {
        let program = &loaded[place];
        Ok(Load {
            policy: policy.name,
            program: program.name,
            over_devgate: samples.over(&times[base]),
            us: samples.summary(),
            insns: program.insns.len() / 8,
            verified_insns: sys::info(program.fd.as_fd())?.verified_insns,
            longest_path: if place == base { Some(longest(policy)?) } else { None },
        })
    };
    times.iter().enumerate().map(load).collect()
}

fn longest(policy: &Policy) -> anyhow::Result<usize> {
    let program = compile(&policy.parsed()?)?;
    Ok(longest_path(&program, &analyze(&program, Budget::PROOF)?)?)
}

/// Compiles and proves the policy's program `rounds` times.
pub fn compile_and_verify(policy: &Policy, rounds: usize) -> anyhow::Result<Compiled> {
    let parsed = policy.parsed()?;
    let [mut compiling, mut proving, mut both] = <[Samples; 3]>::default();
    for round in 0..rounds {
        progress(&format!("compile and verify, {}", policy.name), round, rounds);
        let start = Instant::now();
        let program = compile(&parsed)?;
        let compiled = start.elapsed();
        verify(program, &parsed)?;
        let proven = start.elapsed();
        compiling.push_us(compiled);
        proving.push_us(proven - compiled);
        both.push_us(proven);
    }
    Ok(Compiled {
        policy: policy.name,
        rules: parsed.rules().len(),
        compile_us: compiling.summary(),
        verify_us: proving.summary(),
        both_us: both.summary(),
    })
}
