//! The semantics of DESIGN.md section 2, row by row, by three witnesses: `decide()`, the
//! compiled program in our interpreter, and the same program in rbpf.

mod common;

use common::semantics::{By, Row, rows};
use common::witness::Witnesses;
use devgate::compile::compile;
use devgate::device::Access;
use devgate::policy::{Origin, Policy};
use devgate::verify::verify;

#[test]
fn three_witnesses_give_each_row_s_verdict() {
    for row in rows() {
        let policy = row.policy();
        let program = compile(&policy).expect(row.name);
        let bytes = program.to_bytes();
        let witnesses = Witnesses::new(&policy, &program, &bytes);
        assert_eq!(witnesses.agree(&row.request()), Ok(row.verdict), "{}", row.name);
    }
}

#[test]
fn each_row_s_program_is_proven() {
    for row in rows() {
        let policy = row.policy();
        let program = compile(&policy).expect(row.name);
        verify(program, &policy).expect(row.name);
    }
}

#[test]
fn each_bit_is_decided_by_the_row_s_rule() {
    for row in rows() {
        for (letter, by) in row.decided_by {
            let bit = letter.parse().expect(row.name);
            assert_eq!(decided_by(row, bit), *by, "{}, bit {letter}", row.name);
        }
    }
}

fn decided_by(row: &Row, bit: Access) -> By {
    let policy = row.policy();
    let bits = policy.decide(&row.request()).bits;
    let decision = bits.iter().find(|decision| decision.bit == bit).expect(row.name);
    let Some(rule) = decision.rule else { return By::Nobody };
    // A decision has the verdict of its rule.
    assert_eq!(decision.verdict, policy.rules()[rule].verdict(), "{}", row.name);
    match policy.origin(rule).expect(row.name) {
        Origin::Config(index) => By::Rule(index),
        Origin::Base => By::Base,
        Origin::Grant(index) => panic!("{}: grants[{index}] decides", row.name),
    }
}

#[test]
fn rows_have_names_of_their_own() {
    let mut names: Vec<&str> = rows().map(|row| row.name).collect();
    println!(
        "{} rows, {} for the kernel",
        names.len(),
        rows().filter(|row| row.can_exist()).count()
    );
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b), "a name comes twice");
    assert!(names.len() >= 60);
}

/// The base rules, as DESIGN.md 2.6 lists them.
const BASE: [&str; 11] = [
    "allow c *:* m",
    "allow b *:* m",
    "allow c 1:3 rwm",
    "allow c 1:5 rwm",
    "allow c 1:7 rwm",
    "allow c 1:8 rwm",
    "allow c 1:9 rwm",
    "allow c 5:0 rwm",
    "allow c 5:2 rwm",
    "allow c 136:* rwm",
    "allow c 10:200 rwm",
];

#[test]
fn the_base_rules_are_those_listed() {
    use devgate::policy::DefaultDevices::{Append, Base};
    for place in [Base, Append] {
        assert_eq!(texts(&Policy::new(Vec::new(), place)), BASE);
    }
}

#[test]
fn default_devices_go_to_their_place() {
    use devgate::policy::DefaultDevices::{Append, Base, None};
    let config = ["allow c 1:3 r", "deny a *:* -", "allow c 1:11 r"];
    let merged = |place| {
        let rules = config.iter().map(|rule| rule.parse().expect("a rule")).collect();
        Policy::new(rules, place)
    };
    let [first, deny, last] = ["allow c 1:3 r", "deny a *:* rwm", "allow c 1:11 r"];
    let base = || BASE.iter().copied();
    let expected: Vec<&str> = [first, deny].into_iter().chain(base()).chain([last]).collect();
    assert_eq!(texts(&merged(Base)), expected);
    let expected: Vec<&str> = [first, deny, last].into_iter().chain(base()).collect();
    assert_eq!(texts(&merged(Append)), expected);
    assert_eq!(texts(&merged(None)), [first, deny, last]);
    assert_eq!(merged(Base).origin(13), Some(Origin::Config(2)));
    assert_eq!(merged(Base).origin(14), Option::None);
}

fn texts(policy: &Policy) -> Vec<String> {
    policy.rules().iter().map(ToString::to_string).collect()
}
