//! Proves a program equal to its policy on every request. [`Verified`] is the only thing that
//! can be loaded, and [`verify`] the only way to it.
//!
//! # Why this is a proof
//!
//! 1. [`analyze`] gives regions that partition all requests, each with the one verdict that the
//!    program has for it. That they miss nothing is checked once more by counting.
//! 2. Within a region, requests are told apart by a policy only through the numbers that its
//!    rules name: a rule's `matches` compares type, major and minor for equality, or not at
//!    all. So two requests match the same rules if their majors are the same named number or
//!    both unnamed, and so their minors, where the minors that count are those named by rules
//!    for that major or for any. Each such class ([`Classes`]) is tried with one member.
//! 3. For it, [`decide`] is asked, with the rules that could match it: those that name its
//!    numbers or any. Rules left out don't match, and rules that don't match have no say.
//!
//! So every request has the verdict of a member of its class, which was compared. Nothing here
//! knows how a program is made: it shares with [`crate::compile`] the instruction set and
//! [`decide`], no more.

use thiserror::Error;

use crate::analyze::{AnalyzeError, Budget, Interval, Region, analyze};
use crate::bpf::Program;
use crate::device::{Access, DeviceType, Request};
use crate::policy::{Number, Policy, Rule, Verdict, decide};

/// A program proven equal to its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    program: Program,
}

impl Verified {
    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }
}

/// Why a program is not proven.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The program can't be analyzed.
    #[error("the program can't be analyzed")]
    Analyze(#[from] AnalyzeError),
    /// The program decides otherwise than the policy.
    #[error("the program is not the policy: {0}")]
    Counterexample(Counterexample),
    /// A mistake in the analyzer: its regions are not all requests, once each.
    #[error("the analysis covers {covered} requests instead of all")]
    Coverage {
        /// How many it does cover.
        covered: u128,
    },
}

/// A request on which program and policy differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The request.
    pub request: Request,
    /// The program's verdict.
    pub program: Verdict,
    /// The policy's verdict.
    pub policy: Verdict,
    /// The rule that decides the request, by its place in [`Policy::rules`]: of several, the
    /// last. `None` if none does.
    pub rule: Option<usize>,
}

impl std::fmt::Display for Counterexample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counterexample { request, program, policy, rule } = self;
        write!(f, "for {request} the program says {program} and the policy {policy}")?;
        match rule {
            Some(rule) => write!(f, " (rule {rule} of the merged list)"),
            None => write!(f, " (no rule decides it)"),
        }
    }
}

/// All requests: 2 types, 8 access sets, 2^32 majors, 2^32 minors.
const ALL_REQUESTS: u128 = (2 * 8) << 64;

/// Proves that `program` decides every request as `policy` does.
///
/// # Errors
/// A request on which they differ, or why the program can't be analyzed.
pub fn verify(program: Program, policy: &Policy) -> Result<Verified, VerifyError> {
    let regions = analyze(&program, Budget::PROOF)?;
    let covered = regions.iter().map(Region::size).sum();
    if covered != ALL_REQUESTS {
        return Err(VerifyError::Coverage { covered });
    }
    let classes = DeviceType::ALL.map(|device_type| Classes::of(policy, device_type));
    for region in &regions {
        let [block, character] = &classes;
        let classes = match region.device_type {
            DeviceType::Block => block,
            DeviceType::Char => character,
        };
        check(policy, classes, region).map_err(VerifyError::Counterexample)?;
    }
    Ok(Verified { program })
}

fn check(policy: &Policy, classes: &Classes, region: &Region) -> Result<(), Counterexample> {
    let Region { device_type, accesses, verdict, .. } = *region;
    for major in with_unnamed(classes.majors(region.major), region.major) {
        for minor in with_unnamed(classes.minors(major, region.minor), region.minor) {
            let rules = classes.rules(policy, major, minor);
            for access in accesses.iter() {
                let request = Request { device_type, major, minor, access };
                let decision = decide(rules.iter().copied(), &request);
                if decision.verdict != verdict {
                    return Err(Counterexample {
                        request,
                        program: verdict,
                        policy: decision.verdict,
                        rule: decision.relevant(access).filter_map(|bit| bit.rule).max(),
                    });
                }
            }
        }
    }
    Ok(())
}

/// The named numbers, which come in order, and one other of the interval if there is any.
fn with_unnamed(mut named: Vec<u32>, interval: Interval) -> Vec<u32> {
    let mut other = Some(interval.first);
    for number in &named {
        if other == Some(*number) {
            other = number.checked_add(1);
        }
    }
    named.extend(other.filter(|number| interval.contains(*number)));
    named
}

/// A policy's rules for one device type, by their numbers.
struct Classes {
    /// Major and minor of each rule with its place in the policy, in order. Of rules with the
    /// same numbers there are only those that are the last to name some bit: no others decide.
    rules: Vec<((Number, Number), usize)>,
    majors: Vec<u32>,
}

impl Classes {
    fn of(policy: &Policy, device_type: DeviceType) -> Classes {
        let mut all: Vec<((Number, Number), usize, Access)> = policy
            .rules()
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.device_type().matches(device_type))
            .map(|(place, rule)| ((rule.major(), rule.minor()), place, rule.access()))
            .collect();
        all.sort_unstable();
        let mut rules = Vec::with_capacity(all.len());
        for same in all.chunk_by(|(a, ..), (b, ..)| a == b) {
            let mut named = Access::NONE;
            for (numbers, place, access) in same.iter().rev() {
                if !named.contains(*access) {
                    named = named.union(*access);
                    rules.push((*numbers, *place));
                }
            }
        }
        rules.sort_unstable();
        let mut majors: Vec<u32> =
            rules.iter().filter_map(|((major, _), _)| exact(*major)).collect();
        majors.dedup();
        Classes { rules, majors }
    }

    /// The majors of the interval that rules name, in order.
    fn majors(&self, interval: Interval) -> Vec<u32> {
        let from = self.majors.partition_point(|major| *major < interval.first);
        let named = self.majors[from..].iter().copied();
        named.take_while(|major| *major <= interval.last).collect()
    }

    /// The minors of the interval that rules for this major, or for any, name, in order.
    fn minors(&self, major: u32, interval: Interval) -> Vec<u32> {
        let mut minors = Vec::new();
        for major in [Number::Exactly(major), Number::Any] {
            let (first, last) = (Number::Exactly(interval.first), Number::Exactly(interval.last));
            let from = self.rules.partition_point(|(numbers, _)| *numbers < (major, first));
            let named = self.rules[from..].iter().map(|(numbers, _)| *numbers);
            let named = named.take_while(|numbers| *numbers <= (major, last));
            minors.extend(named.filter_map(|(_, minor)| exact(minor)));
        }
        minors.sort_unstable();
        minors.dedup();
        minors
    }

    /// The rules that can match these numbers, in the policy's order.
    fn rules<'p>(&self, policy: &'p Policy, major: u32, minor: u32) -> Vec<(usize, &'p Rule)> {
        let mut places = Vec::new();
        for major in [Number::Exactly(major), Number::Any] {
            for minor in [Number::Exactly(minor), Number::Any] {
                let wanted = (major, minor);
                let from = self.rules.partition_point(|(numbers, _)| *numbers < wanted);
                let same = self.rules[from..].iter().take_while(|(numbers, _)| *numbers == wanted);
                places.extend(same.map(|(_, place)| *place));
            }
        }
        places.sort_unstable();
        places.into_iter().filter_map(|place| Some((place, policy.rules().get(place)?))).collect()
    }
}

fn exact(number: Number) -> Option<u32> {
    match number {
        Number::Any => None,
        Number::Exactly(number) => Some(number),
    }
}
