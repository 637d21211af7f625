//! Random requests: the learnt rules allow just what was asked for, and a comparison misses nothing.
//!
//! `DEVGATE_SEED` repeats a run; see `common/random.rs`.

use std::collections::BTreeMap;

use devgate::container::Time;
use devgate::device::{Access, DeviceType, Request};
use devgate::policy::{Policy, Verdict};
use devgate::recording::{Answer, Asked, Denied, diff, learn, merged, policy};

use crate::common::random::{Case, seed};

const CASES: u64 = 3_000;

/// What was asked for of one device: the bits, and whether it was allowed. All pseudo terminals are
/// one device.
type Wanted = BTreeMap<(DeviceType, u32, Option<u32>), Access>;

fn device(request: &Request) -> (DeviceType, u32, Option<u32>) {
    let Request { device_type, major, minor, .. } = *request;
    let is_pts = device_type == DeviceType::Char && major == 136;
    (device_type, major, (!is_pts).then_some(minor))
}

/// As the container's policy answers them.
fn recorded(case: &mut Case) -> Vec<Asked> {
    let count = case.rng.usize(..40);
    let mut requests = case.requests(count);
    for _ in 0..case.rng.usize(..3) {
        let access = Access::from_kernel_bits(case.rng.u32(..8)).expect("three bits");
        let minor = case.rng.u32(..5);
        requests.push(Request { device_type: DeviceType::Char, major: 136, minor, access });
    }
    let now = Time::now();
    let asked = |request: Request| Asked {
        request,
        answer: match case.policy.decide(&request).verdict {
            Verdict::Allow => Answer::Allowed,
            Verdict::Deny => Answer::Denied,
        },
        count: 1,
        first: now,
        last: now,
        device: None,
        commands: Vec::new(),
    };
    merged(requests.into_iter().map(asked))
}

fn wanted(all: &[Asked], denied: Denied) -> Wanted {
    let mut wanted = Wanted::new();
    for asked in all {
        if asked.answer == Answer::Allowed || denied == Denied::Include {
            let bits = wanted.entry(device(&asked.request)).or_insert(Access::NONE);
            *bits = bits.union(asked.request.access);
        }
    }
    // For a request for no bit, any one is needed.
    wanted.values_mut().filter(|bits| bits.is_none()).for_each(|bits| *bits = Access::MKNOD);
    wanted
}

/// Every access to every device that was asked for or that the policy is about, and to a neighbour.
fn probes(case: &mut Case, all: &[Asked]) -> Vec<Request> {
    let mut devices = case.requests(30);
    devices.extend(all.iter().map(|asked| asked.request));
    let neighbours: Vec<Request> = devices
        .iter()
        .map(|request| Request { minor: request.minor.wrapping_add(1), ..*request })
        .collect();
    devices.extend(neighbours);
    let every = |request: &Request| {
        let request = *request;
        Access::every().map(move |access| Request { access, ..request })
    };
    devices.iter().flat_map(every).collect()
}

#[test]
fn the_learnt_rules_allow_what_was_asked_for_and_nothing_else() {
    let seed = seed();
    for index in 0..CASES {
        let mut case = Case::new(seed, index);
        let all = recorded(&mut case);
        for denied in [Denied::LeaveOut, Denied::Include] {
            let learnt = learn(&all, denied);
            let wanted = wanted(&all, denied);
            assert_eq!(learnt.len(), wanted.len(), "a rule for each device: {learnt:?}\n{case}");
            let rules = policy(&learnt);
            for request in probes(&mut case, &all) {
                let bits = wanted.get(&device(&request)).copied().unwrap_or(Access::NONE);
                let is_wanted = bits.grants(request.access);
                let is_allowed = rules.decide(&request).verdict == Verdict::Allow;
                assert_eq!(is_allowed, is_wanted, "{request}: {learnt:?}\n{case}");
            }
        }
    }
}

/// But for pseudo terminals, and for the bit that stands for a request for none.
#[test]
fn the_learnt_rules_are_never_wider_than_the_policy() {
    let seed = seed();
    for index in 0..CASES {
        let mut case = Case::new(seed, index);
        let all = recorded(&mut case);
        for learnt in learn(&all, Denied::LeaveOut).iter().filter(|learnt| !learnt.any_bit) {
            let alike = |asked: &&Asked| learnt.rule.matches(&asked.request);
            let asked = all.iter().find(alike).expect("a rule has a request");
            let access = learnt.rule.access();
            if device(&asked.request).2.is_some() {
                let request = Request { access, ..asked.request };
                let verdict = case.policy.decide(&request).verdict;
                assert_eq!(verdict, Verdict::Allow, "{}\n{case}", learnt.rule);
            }
        }
    }
}

#[test]
fn a_comparison_misses_nothing() {
    let seed = seed();
    for index in 0..CASES {
        let mut case = Case::new(seed, index);
        let all = recorded(&mut case);
        let other = Case::new(seed ^ 0x5555, index).policy;
        for config in [case.policy.clone(), other] {
            let difference = diff(&config, &all);
            let used = policy(&learn(&all, Denied::LeaveOut));
            for request in probes(&mut case, &all) {
                assert_unused(&config, &used, &difference.unused, &request, &case);
            }
            let refused: Vec<Request> =
                difference.refused.iter().map(|refused| refused.asked.request).collect();
            let is_denied = |request: &Request| config.decide(request).verdict == Verdict::Deny;
            let expected = all.iter().map(|asked| asked.request).filter(is_denied);
            assert_eq!(refused, expected.collect::<Vec<_>>(), "{case}");
        }
    }
}

/// A bit that the config allows and nobody used is at the rule that decides it, unless that rule is
/// for many devices and this one is among those that were used.
#[track_caller]
fn assert_unused(
    config: &Policy,
    used: &Policy,
    unused: &[devgate::recording::Unused],
    request: &Request,
    case: &Case,
) {
    let used = used.decide(request);
    for (bit, used) in config.decide(request).bits.iter().zip(used.bits) {
        let names =
            |rule: &devgate::policy::Rule| rule.matches(request) && rule.access().contains(bit.bit);
        let is_listed = unused.iter().any(|unused| {
            Some(unused.index) == bit.rule && names(&unused.rule) && !unused.used.iter().any(names)
        });
        let is_unused = bit.verdict == Verdict::Allow && used.verdict == Verdict::Deny;
        assert_eq!(is_listed, is_unused, "{request}, {}: {unused:?}\n{case}", bit.bit);
    }
}
