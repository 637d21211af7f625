//! Proves a program equal to its policy on every request. [`Verified`] is the only thing that
//! can be loaded to enforce, and [`verify`] the only way to it. A program that observes is proven
//! to allow everything instead ([`AllowsAll`]).
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

mod allows;

pub use allows::{AllowsAll, AllowsAllError, prove_allows_all};

use std::ops::Range;

use thiserror::Error;

use crate::analyze::{AnalyzeError, Budget, Interval, Region, analyze};
use crate::bpf::Program;
use crate::device::{Access, DeviceType, Request};
use crate::policy::{Number, Policy, Verdict, decide};

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
    let named = classes.majors(region.major);
    for (major, own) in named {
        check_major(policy, classes, region, *major, classes.group(own))?;
    }
    match unnamed(named.iter().map(|(major, _)| *major), region.major) {
        Some(major) => check_major(policy, classes, region, major, &[]),
        None => Ok(()),
    }
}

/// Tries a member of each class that has this major; `own` are the rules that name it.
fn check_major(
    policy: &Policy,
    classes: &Classes,
    region: &Region,
    major: u32,
    own: &[Placed],
) -> Result<(), Counterexample> {
    let any = classes.group(&classes.any_major);
    let for_all = for_all_minors(own).iter().chain(for_all_minors(any));
    let (mut own, mut any) = (for_minors(own, region.minor), for_minors(any, region.minor));
    let mut other = Some(region.minor.first);
    while let Some(minor) = next_minor(own, any) {
        let here = take(&mut own, minor).iter().chain(take(&mut any, minor));
        compare(policy, region, [major, minor], for_all.clone().chain(here))?;
        if other == Some(minor) {
            other = minor.checked_add(1);
        }
    }
    match other.filter(|minor| region.minor.contains(*minor)) {
        Some(minor) => compare(policy, region, [major, minor], for_all),
        None => Ok(()),
    }
}

/// Asks [`decide`] with these rules, which are all that can match the numbers.
fn compare<'c>(
    policy: &Policy,
    region: &Region,
    [major, minor]: [u32; 2],
    rules: impl Iterator<Item = &'c Placed>,
) -> Result<(), Counterexample> {
    let mut places: Vec<usize> = rules.map(|(_, place)| *place).collect();
    places.sort_unstable();
    let rules = places.iter().filter_map(|place| Some((*place, policy.rules().get(*place)?)));
    let request = Request { device_type: region.device_type, major, minor, access: Access::ALL };
    let decision = decide(rules, &request);
    match region.accesses.iter().find(|access| decision.on(*access) != region.verdict) {
        None => Ok(()),
        Some(access) => Err(Counterexample {
            request: Request { access, ..request },
            program: region.verdict,
            policy: decision.on(access),
            rule: decision.relevant(access).filter_map(|bit| bit.rule).max(),
        }),
    }
}

/// The first number of the interval that is none of these, which come in order.
fn unnamed(named: impl Iterator<Item = u32>, interval: Interval) -> Option<u32> {
    let mut other = Some(interval.first);
    for number in named {
        if other == Some(number) {
            other = number.checked_add(1);
        }
    }
    other.filter(|number| interval.contains(*number))
}

/// Of a major's rules, those for all minors: they come first.
fn for_all_minors(rules: &[Placed]) -> &[Placed] {
    &rules[..rules.partition_point(|(minor, _)| *minor == Number::Any)]
}

/// Of a major's rules, those for one minor of the interval.
fn for_minors(rules: &[Placed], interval: Interval) -> &[Placed] {
    let (first, last) = (Number::Exactly(interval.first), Number::Exactly(interval.last));
    let rules = &rules[rules.partition_point(|(minor, _)| *minor < first)..];
    &rules[..rules.partition_point(|(minor, _)| *minor <= last)]
}

/// The smallest minor that is left in either list.
fn next_minor(own: &[Placed], any: &[Placed]) -> Option<u32> {
    let first = |rules: &[Placed]| rules.first().and_then(|(minor, _)| exact(*minor));
    first(own).into_iter().chain(first(any)).min()
}

/// Takes the rules for this minor off the front.
fn take<'c>(rules: &mut &'c [Placed], minor: u32) -> &'c [Placed] {
    let count = rules.iter().take_while(|(own, _)| *own == Number::Exactly(minor)).count();
    let (taken, rest) = rules.split_at(count);
    *rules = rest;
    taken
}

/// A rule's minor, and the rule's place in the policy.
type Placed = (Number, usize);

/// A policy's rules for one device type, by their numbers.
struct Classes {
    /// By major and minor, "any" first. Of rules with the same numbers there are only those that
    /// are the last to name some bit, three at most: no others decide.
    rules: Vec<Placed>,
    /// Where the rules for all majors are in that list.
    any_major: Range<usize>,
    /// The majors that rules name, in order, and where theirs are.
    majors: Vec<(u32, Range<usize>)>,
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
        let mut classes = Classes { rules: Vec::new(), any_major: 0..0, majors: Vec::new() };
        for same in all.chunk_by(|((a, _), ..), ((b, _), ..)| a == b) {
            let first = classes.rules.len();
            for same in same.chunk_by(|((_, a), ..), ((_, b), ..)| a == b) {
                let mut named = Access::NONE;
                for ((_, minor), place, access) in same.iter().rev() {
                    if !named.contains(*access) {
                        named = named.union(*access);
                        classes.rules.push((*minor, *place));
                    }
                }
            }
            let group = first..classes.rules.len();
            match same.first().and_then(|((major, _), ..)| exact(*major)) {
                Some(major) => classes.majors.push((major, group)),
                None => classes.any_major = group,
            }
        }
        classes
    }

    /// The majors of the interval that rules name, in order, and where their rules are.
    fn majors(&self, interval: Interval) -> &[(u32, Range<usize>)] {
        let from = self.majors.partition_point(|(major, _)| *major < interval.first);
        let end = self.majors.partition_point(|(major, _)| *major <= interval.last);
        &self.majors[from..end]
    }

    fn group(&self, places: &Range<usize>) -> &[Placed] {
        &self.rules[places.clone()]
    }
}

fn exact(number: Number) -> Option<u32> {
    match number {
        Number::Any => None,
        Number::Exactly(number) => Some(number),
    }
}
