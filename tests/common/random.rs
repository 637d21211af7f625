//! Random policies, and requests close to the numbers that they name.
//!
//! A policy draws its numbers from a few small pools, so that rules collide, runs of numbers
//! become ranges and bit tests, and the ends of 32 bits turn up.

use std::env;
use std::fmt;

use devgate::device::{Access, DeviceType, Request};
use devgate::policy::{DefaultDevices, Number, Policy, Rule, TypeMatch, Verdict};
use fastrand::Rng;

/// Of random policies, one in so many is large.
const LARGE: u32 = 200;

/// Numbers at which something may go wrong by one.
const ENDS: [u32; 13] = [
    0,
    1,
    31,
    32,
    33,
    0xfff,
    0x1000,
    0xf_ffff,
    0x10_0000,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX - 1,
    u32::MAX,
];

/// The seed of this run: `DEVGATE_SEED`, or a new one. It is printed either way; the test
/// harness shows it for a test that fails.
pub fn seed() -> u64 {
    let seed = match env::var("DEVGATE_SEED") {
        Ok(text) => text.parse().expect("DEVGATE_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("DEVGATE_SEED={seed}");
    seed
}

/// One random policy of a run. The run's first one is that of the seed itself, so a failing
/// case is run again, as the first, with its own seed.
pub struct Case {
    pub seed: u64,
    pub policy: Policy,
    pub rng: Rng,
}

impl Case {
    pub fn new(run: u64, index: u64) -> Case {
        let seed = run.wrapping_add(index);
        let mut rng = Rng::with_seed(seed);
        let policy = policy(&mut rng);
        Case { seed, policy, rng }
    }

    pub fn requests(&mut self, count: usize) -> Vec<Request> {
        let near = Near::of(&self.policy);
        (0..count).map(|_| near.request(&mut self.rng)).collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "DEVGATE_SEED={}, rules with defaults merged in:", self.seed)?;
        self.policy.rules().iter().try_for_each(|rule| writeln!(f, "  {rule}"))
    }
}

/// What a random policy is made from.
struct Style {
    majors: Vec<u32>,
    minors: Vec<u32>,
    /// Of a hundred rules, how many have a wildcard, for each number.
    any_major: u32,
    any_minor: u32,
    /// Of a hundred rules, how many deny.
    denies: u32,
}

pub fn policy(rng: &mut Rng) -> Policy {
    let style = Style {
        majors: pool(rng),
        minors: pool(rng),
        any_major: pick(rng, &[0, 0, 10, 40, 90]),
        any_minor: pick(rng, &[0, 0, 10, 40, 90]),
        denies: pick(rng, &[0, 20, 50, 80]),
    };
    let size = if rng.u32(..LARGE) == 0 { rng.usize(41..400) } else { rng.usize(..=40) };
    let rules = (0..size).map(|_| style.rule(rng)).collect();
    let places = [DefaultDevices::Base, DefaultDevices::Append, DefaultDevices::None];
    Policy::new(rules, pick(rng, &places))
}

impl Style {
    fn rule(&self, rng: &mut Rng) -> Rule {
        let verdict = if percent(rng, self.denies) { Verdict::Deny } else { Verdict::Allow };
        let device_type = match rng.u32(..8) {
            0..=4 => TypeMatch::Only(DeviceType::Char),
            5..=6 => TypeMatch::Only(DeviceType::Block),
            _ => TypeMatch::Any,
        };
        let major = number(rng, self.any_major, &self.majors);
        let minor = number(rng, self.any_minor, &self.minors);
        let access = if rng.bool() { Access::ALL } else { any_access(rng) };
        Rule::new(verdict, device_type, major, minor, access)
    }
}

fn number(rng: &mut Rng, wildcards: u32, pool: &[u32]) -> Number {
    if percent(rng, wildcards) { Number::Any } else { Number::Exactly(pick(rng, pool)) }
}

/// One to three runs of numbers of different kinds.
fn pool(rng: &mut Rng) -> Vec<u32> {
    let mut pool = Vec::new();
    for _ in 0..rng.u32(1..=3) {
        match rng.u32(..5) {
            0 => pool.extend(0..rng.u32(1..6)),
            1 => pool.extend(ENDS),
            2 => pool.extend(run(rng)),
            3 => pool.extend((0..rng.u32(1..9)).map(|_| rng.u32(..))),
            _ => pool.extend([1, 3, 5, 8, 10, 136, 200]),
        }
    }
    pool
}

/// Numbers in a row, some left out, about as many as a bit test or two can tell apart.
fn run(rng: &mut Rng) -> Vec<u32> {
    let start = match rng.u32(..4) {
        0 => rng.u32(..) & !31,
        1 => u32::MAX - rng.u32(..70),
        _ => rng.u32(..300),
    };
    let (length, keep) = (rng.u32(2..70), pick(rng, &[30, 80, 100]));
    let mut run: Vec<u32> =
        (start..start.saturating_add(length)).filter(|_| percent(rng, keep)).collect();
    run.push(start);
    run
}

fn any_access(rng: &mut Rng) -> Access {
    Access::from_kernel_bits(rng.u32(..8)).expect("three bits")
}

fn percent(rng: &mut Rng, chance: u32) -> bool {
    rng.u32(..100) < chance
}

fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// The numbers that a policy's rules name, to ask about them and their neighbours.
pub struct Near {
    rules: Vec<Rule>,
}

impl Near {
    pub fn of(policy: &Policy) -> Near {
        Near { rules: policy.rules().to_vec() }
    }

    /// A request: mostly for one rule's numbers, or for those of two rules, one up or down.
    pub fn request(&self, rng: &mut Rng) -> Request {
        let rules = [self.rule(rng), self.rule(rng)];
        let [first, second] = if rng.bool() { [rules[0]; 2] } else { rules };
        Request {
            device_type: if rng.u32(..3) > 0 { DeviceType::Char } else { DeviceType::Block },
            major: near(rng, first.map(|rule| rule.major())),
            minor: near(rng, second.map(|rule| rule.minor())),
            access: any_access(rng),
        }
    }

    fn rule(&self, rng: &mut Rng) -> Option<&Rule> {
        let place = rng.usize(..self.rules.len().max(1));
        self.rules.get(place)
    }
}

fn near(rng: &mut Rng, named: Option<Number>) -> u32 {
    match named {
        Some(Number::Exactly(number)) => match rng.u32(..8) {
            0..=3 => number,
            4 | 5 => number.wrapping_add(1),
            6 => number.wrapping_sub(1),
            // The same bit of another word: a bit test must not take it for `number`.
            _ => number.wrapping_add(32),
        },
        Some(Number::Any) | None => match rng.u32(..3) {
            0 => pick(rng, &ENDS),
            1 => rng.u32(..300),
            _ => rng.u32(..),
        },
    }
}
