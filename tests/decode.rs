//! Programs back to rules: the rules mean what the program does, and are few.

mod common;

use common::random::{Case, seed};
use devgate::analyze::{Budget, analyze};
use devgate::compile::compile;
use devgate::decode::{Decoded, Table, decode};
use devgate::policy::{DefaultDevices, Policy};
use devgate::verify::verify;

fn table(policy: &Policy) -> Table {
    Table::of(&analyze(&compile(policy).unwrap(), Budget::PROOF).unwrap()).unwrap()
}

fn policy(rules: &[&str]) -> Policy {
    Policy::new(rules.iter().map(|rule| rule.parse().unwrap()).collect(), DefaultDevices::None)
}

fn decoded(rules: &[&str]) -> Vec<String> {
    let Decoded { rules, irregular } = decode(&table(&policy(rules))).unwrap();
    assert_eq!(irregular, []);
    rules.iter().map(ToString::to_string).collect()
}

#[test]
fn rules_come_back_as_few_as_can_be() {
    assert_eq!(decoded(&["deny a *:* rwm"]), [""; 0]);
    assert_eq!(decoded(&["allow a *:* rwm"]), ["allow a *:* rwm"]);
    assert_eq!(
        decoded(&["allow a *:* rwm", "deny c 1:11 w"]),
        ["allow a *:* rwm", "deny c 1:11 w"]
    );
    assert_eq!(
        decoded(&["allow c 1:3 r", "allow c 1:3 w", "allow b 1:3 rw", "allow b 8:* m"]),
        ["allow b 8:* m", "allow a 1:3 rw"]
    );
    assert_eq!(
        decoded(&["allow c 10:* rw", "deny c 10:229 rw", "allow c *:7 m"]),
        ["allow c *:7 m", "allow c 10:* rw", "deny c 10:229 rw"]
    );
}

#[test]
fn rules_that_cross_are_put_in_the_order_that_needs_no_exceptions() {
    let rules = ["allow c 1:* rw", "allow c 2:* rw", "allow c 3:* rw", "deny c *:5 rw"];
    let denied = ["deny c 1:5 rw", "deny c 2:5 rw", "deny c 3:5 rw"];
    assert_eq!(decoded(&rules), [&rules[..3], &denied].concat());
    let rules = ["allow c *:* rw", "deny c 1:* rw", "deny c 2:* rw", "allow c *:5 m"];
    assert_eq!(
        decoded(&rules),
        ["allow c *:* rw", "allow c *:5 m", "deny c 1:* rw", "deny c 2:* rw"]
    );
}

#[test]
fn random_policies_come_back_with_the_same_meaning() {
    let seed = seed();
    let (mut before, mut after) = (0, 0);
    for index in 0..2_000 {
        let case = Case::new(seed, index);
        let Decoded { rules, irregular } = decode(&table(&case.policy)).unwrap();
        assert_eq!(irregular, [], "{case}");
        before += case.policy.rules().len();
        after += rules.len();
        let again = Policy::new(rules, DefaultDevices::None);
        let program = compile(&case.policy).unwrap();
        assert!(verify(program, &again).is_ok(), "{case}");
    }
    println!("2000 policies, {before} rules before and {after} after");
}
