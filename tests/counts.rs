//! Programs are as short as was promised: instructions, and of these the most that a request
//! makes the kernel execute. Counts are exact; they don't depend on the machine.

mod common;

use common::require;
use devgate::analyze::{Budget, analyze, longest_path};
use devgate::enforce::{Prepared, prepare};
use devgate::kernel::load;
use devgate::oci::{Document, read_config};
use devgate::policy::{DefaultDevices, Policy, Rule};
use fastrand::Rng;

const SEEDS: u64 = 5;

struct Counts {
    insns: usize,
    path: usize,
}

fn counts(prepared: &Prepared) -> Counts {
    let program = prepared.verified.program();
    let regions = analyze(program, Budget::PROOF).expect("it is proven");
    let path = longest_path(program, &regions).expect("it is proven");
    Counts { insns: program.insns().len(), path }
}

fn of_rules(rules: Vec<Rule>) -> Prepared {
    prepare(Policy::new(rules, DefaultDevices::Base)).expect("it has a program")
}

fn of_texts(rules: &[&str]) -> Prepared {
    of_rules(rules.iter().map(|rule| rule.parse().expect("a rule")).collect())
}

fn of_sample(name: &str) -> Prepared {
    let path = format!("testdata/samples/{name}/config.json");
    let file = std::fs::File::open(&path).expect("the sample is there");
    let config = read_config(file, Document::File(path.into())).expect("the sample is a config");
    of_rules(config.rules)
}

/// "Deny everything", and then an allow rule for each of these.
fn allowing(devices: impl Iterator<Item = (char, u32, u32, &'static str)>) -> Prepared {
    let allow = |(kind, major, minor, access)| format!("allow {kind} {major}:{minor} {access}");
    let rules = ["deny a *:* rwm".to_owned()].into_iter().chain(devices.map(allow));
    of_rules(rules.map(|rule| rule.parse().expect("a rule")).collect())
}

fn random(seed: u64, rules: usize) -> Prepared {
    let mut rng = Rng::with_seed(seed);
    allowing((0..rules).map(|_| {
        let kind = ['b', 'c'][rng.usize(..2)];
        let access = ["r", "w", "m", "rw", "rm", "wm", "rwm"][rng.usize(..7)];
        (kind, rng.u32(..4096), rng.u32(..1 << 20), access)
    }))
}

#[track_caller]
fn assert_within(what: &str, prepared: &Prepared, insns: usize, path: usize) {
    let found = counts(prepared);
    println!("{what}: {} instructions, {} on the longest path", found.insns, found.path);
    assert!(found.insns <= insns, "{what}: {} instructions, not {insns}", found.insns);
    assert!(found.path <= path, "{what}: {} on the longest path, not {path}", found.path);
}

#[test]
fn engines_defaults() {
    assert_within("podman plain", &of_sample("podman4-plain"), 30, 14);
    assert_within("containerd's default", &of_sample("containerd21-plain"), 34, 15);
}

#[test]
fn all_or_nothing() {
    assert_within("allow all", &of_texts(&["allow a *:* rwm"]), 2, 2);
    let nothing = Policy::new(vec!["deny a *:* rwm".parse().unwrap()], DefaultDevices::None);
    assert_within("deny all", &prepare(nothing).unwrap(), 2, 2);
}

#[test]
fn a_thousand_random_rules() {
    for seed in 0..SEEDS {
        assert_within("1,000 random", &random(seed, 1_000), 4_000, 30);
    }
}

#[test]
fn a_thousand_adjacent_minors() {
    let devices = (0..1_000).map(|n| ('c', 20 + 10 * (n / 250), 7 + n % 250, "rw"));
    assert_within("1,000 adjacent minors of 4 majors", &allowing(devices), 60, 20);
    let bases = [100, 5_000, 70_000, 900_000];
    let devices =
        (0..1_000).map(|n| ('c', 20 + 10 * (n / 250), bases[n as usize / 250] + n % 250, "rw"));
    assert_within("the same, each elsewhere", &allowing(devices), 60, 20);
}

#[test]
fn minors_three_apart() {
    let devices = (0..1_000).map(|n| ('c', 20 + 7 * (n / 25), 3 * (n % 25), "rw"));
    assert_within("25 minors three apart in 40 majors", &allowing(devices), 600, 24);
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let bases: Vec<u32> = (0..40).map(|_| rng.u32(..1 << 19)).collect();
        let base = |n: u32| bases[n as usize / 25];
        let devices = (0..1_000).map(|n| ('c', 20 + 7 * (n / 25), base(n) + 3 * (n % 25), "rw"));
        assert_within("the same, each elsewhere", &allowing(devices), 600, 24);
    }
}

#[test]
fn ten_thousand_random_rules_load() {
    if !require::bpf() {
        return;
    }
    let prepared = random(1, 10_000);
    assert_within("10,000 random", &prepared, 40_000, 36);
    load(&prepared.verified).expect("the kernel takes it");
}
