//! The real kernel is asked: programs attached to a cgroup, system calls of a process in it.

mod common;

use std::time::Instant;

use devgate::cgroup::Cgroup;
use devgate::device::Request;
use devgate::enforce::{EnforceOptions, enforce, prepare};
use devgate::kernel::DirectAttach;
use devgate::policy::{Policy, Verdict};

use common::askable::Drivers;
use common::cgroup::TestCgroup;
use common::opener::{Opener, serve_if_child};
use common::random::{Case, seed};
use common::{require, semantics};

/// What a child starts with.
const CHILD_TEST: &str = "without_a_program_everything_opens";

/// Rows of the semantics table that at least must have been put to the kernel.
const LEAST_ROWS: usize = 40;

const POLICIES: u64 = 200;
const REQUESTS: usize = 8;

/// A cgroup and a process in it that has a node for each of the requests.
struct Stage {
    // Dropped in this order.
    opener: Opener,
    cgroup: Cgroup,
    _dir: TestCgroup,
}

impl Stage {
    fn with_nodes<'r>(requests: impl IntoIterator<Item = &'r Request>) -> Stage {
        let dir = TestCgroup::new();
        let mut opener = Opener::within(&dir, CHILD_TEST);
        requests.into_iter().for_each(|request| opener.make_node(request));
        Stage { opener, cgroup: dir.open(), _dir: dir }
    }

    /// Compiles, proves, loads and attaches in place of what was attached.
    fn enforce(&self, policy: Policy) {
        let prepared = prepare(policy).expect("the policy has a proven program");
        let in_force = enforce(
            &self.cgroup,
            None,
            &prepared.verified,
            EnforceOptions::directly(DirectAttach::default()),
        );
        assert_eq!(in_force.expect("the program can be attached").outcome.left, []);
    }

    /// A line on what the kernel did if that is not what it should have done.
    fn wrong(&mut self, request: &Request, expected: Verdict) -> Option<String> {
        let answer = self.opener.ask(request);
        let verdict = if answer == "EPERM" { Verdict::Deny } else { Verdict::Allow };
        (verdict != expected).then(|| format!("{request}: {answer}, expected {expected}"))
    }
}

/// Without this control, an EPERM could come from anywhere.
#[test]
fn without_a_program_everything_opens() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let drivers = Drivers::read();
    let requests = semantics::rows().map(|row| row.request());
    let requests: Vec<Request> = requests.filter(|request| drivers.askable(request)).collect();
    let mut stage = Stage::with_nodes(&requests);
    let wrong: Vec<String> =
        requests.iter().filter_map(|request| stage.wrong(request, Verdict::Allow)).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_kernel_answers_as_the_semantics_table_says() {
    if !require::bpf() {
        return;
    }
    let drivers = Drivers::read();
    let (rows, others): (Vec<_>, Vec<_>) =
        semantics::rows().partition(|row| drivers.askable(&row.request()));
    let requests: Vec<Request> = rows.iter().map(|row| row.request()).collect();
    let mut stage = Stage::with_nodes(&requests);
    let mut wrong = Vec::new();
    for (row, request) in rows.iter().zip(&requests) {
        stage.enforce(row.policy());
        wrong.extend(stage.wrong(request, row.verdict).map(|line| format!("{}: {line}", row.name)));
    }
    println!("{} rows put to the kernel, {} can't be", rows.len(), others.len());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(rows.len() >= LEAST_ROWS, "only {} rows", rows.len());
}

#[test]
fn the_kernel_answers_as_random_policies_say() {
    if !require::bpf() {
        return;
    }
    let drivers = Drivers::read();
    let run = seed();
    let mut cases: Vec<(Case, Vec<Request>)> = Vec::new();
    for index in 0..POLICIES {
        let mut case = Case::new(run, index);
        let requests = case.requests(16 * REQUESTS).into_iter();
        let requests = requests.filter(|request| drivers.askable(request)).take(REQUESTS).collect();
        cases.push((case, requests));
    }
    let start = Instant::now();
    let mut stage = Stage::with_nodes(cases.iter().flat_map(|(_, requests)| requests));
    let (mut asked, mut allowed) = (0, 0);
    for (case, requests) in &cases {
        stage.enforce(case.policy.clone());
        for request in requests {
            let expected = case.policy.decide(request).verdict;
            let wrong = stage.wrong(request, expected);
            assert!(wrong.is_none(), "{}\n{case}", wrong.unwrap_or_default());
            asked += 1;
            allowed += usize::from(expected == Verdict::Allow);
        }
    }
    let took = start.elapsed();
    println!("{POLICIES} policies, {asked} requests, {allowed} of them allowed, {took:.1?}");
    assert!(
        asked > 500 && allowed > 100 && asked - allowed > 100,
        "{asked} asked, {allowed} allowed"
    );
}
