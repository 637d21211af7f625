//! The judge condemns: runs that are made up, each right but for one thing.

use devgate::policy::{DefaultDevices, Policy};

use super::super::allowed::{Allowed, Known};
use super::super::calls;
use super::super::plan::Effect;
use super::super::stage::Seen;
use super::super::tracee::{Call, Run};
use super::*;

const ALL: ProgId = ProgId::new(11);
const NULL: ProgId = ProgId::new(12);
const OURS: ProgId = ProgId::new(13);
const OTHER: ProgId = ProgId::new(14);

fn allowed(rule: &str) -> Allowed {
    let rules = vec![rule.parse().expect("a rule")];
    Allowed::by_policy(&Policy::new(rules, DefaultDevices::None))
}

fn known() -> Known {
    let ours = allowed("allow c 10:229 rwm");
    Known::made_up(&[
        (ALL, "somebody", Allowed::ALL),
        (NULL, "somebody", allowed("allow c 1:3 rwm")),
        (OURS, "devgate", ours),
        (OTHER, "devgate", allowed("allow c 1:5 rwm")),
    ])
}

fn state(ids: &[ProgId]) -> Seen {
    Seen { own: ids.to_vec(), effective: ids.to_vec(), allowed: known().allowed(ids) }
}

/// A run of the hook where an allowing and a narrow program are attached.
fn observed(end: End, states: &[&[ProgId]], stderr: &str, log: &str) -> Observed {
    let run = Run { calls: Vec::new(), end, stdout: String::new(), stderr: stderr.to_owned() };
    Observed {
        run,
        before: state(&[ALL, NULL]),
        states: states.iter().map(|ids| state(ids)).collect(),
        log: (!log.is_empty()).then(|| log.to_owned()),
        message: stderr.to_owned(),
        known: known(),
        policy: allowed("allow c 10:229 rwm"),
        start: 0,
    }
}

fn rules(seen: &Observed) -> Vec<Rule> {
    let broken = judge(Command::named("hook-log"), false, seen);
    broken.into_iter().map(|broken| broken.rule).collect()
}

const DONE: &str = "T devgate attached program=13 detached=11,12 took=1us\n";
const FAILED: &str = "T devgate failed error=x took=1us\n";
const NO: &str = "devgate: no\n";

#[test]
fn what_is_right_breaks_no_rule() {
    let left = "T devgate attached program=13 detached=11 left=\"12 is held\" took=1us\n";
    let warning = "devgate: warning: program 12 stays attached: it is held\n";
    let log_is_full = "devgate: warning: log x can't be written: full\n";
    let told = "devgate: the programs differ: missing 11; added 13; attached now 12, 13: no\n";
    let done: &[&[ProgId]] = &[&[OURS, NULL], &[OURS]];
    for seen in [
        observed(End::Code(0), done, "", DONE),
        observed(End::Code(0), done, log_is_full, "\n"),
        observed(End::Code(0), &[&[OURS, NULL]], warning, left),
        observed(End::Code(1), &[&[ALL, NULL]], NO, FAILED),
        observed(End::Code(1), &[&[OURS, NULL], &[OURS, NULL, ALL], &[ALL, NULL]], NO, FAILED),
        observed(End::Code(1), &[&[OURS, NULL]], told, FAILED),
    ] {
        assert_eq!(rules(&seen), [], "{}", seen.transcript());
    }
}

#[test]
fn each_rule_can_be_broken() {
    use Rule::*;
    let complete = |states, stderr, log| observed(End::Code(0), states, stderr, log);
    let failed = |states, stderr, log| observed(End::Code(1), states, stderr, log);
    let lies = "devgate: missing 11, 12; added 13; attached now 12, 13: no\n";
    let gone = "devgate: warning: program 11 stays attached\n";
    for (seen, broken) in [
        (failed(&[&[], &[ALL, NULL]], NO, FAILED), &[NeverOpen, NeverWider][..]),
        (failed(&[&[ALL], &[ALL, NULL]], NO, FAILED), &[NeverWider]),
        (complete(&[&[OURS, NULL]], "", DONE), &[SuccessIsComplete, LogIsTrue]),
        (complete(&[&[ALL, NULL]], "", DONE), &[SuccessIsComplete, LogIsTrue]),
        (complete(&[&[NULL, OTHER]], "", DONE), &[SuccessIsComplete, LogIsTrue]),
        (complete(&[&[OURS, NULL], &[OURS]], gone, DONE), &[SuccessIsComplete]),
        (complete(&[&[OURS]], "", ""), &[LogIsTrue]),
        (complete(&[&[OURS]], "", "T devgate attached program=14 detached=11,12\n"), &[LogIsTrue]),
        (complete(&[&[OURS]], "", "T devgate attached program=13 detached=11\n"), &[LogIsTrue]),
        (failed(&[&[OURS, NULL]], NO, FAILED), &[FailureChangesNothing]),
        (failed(&[&[OURS, NULL]], lies, FAILED), &[FailureChangesNothing]),
        (failed(&[&[ALL, NULL]], "", FAILED), &[EndsOrderly]),
        (failed(&[&[ALL, NULL]], "no\n", FAILED), &[EndsOrderly]),
        (failed(&[&[ALL, NULL]], "devgate: a\ndevgate: b\n", FAILED), &[EndsOrderly]),
        (failed(&[&[ALL, NULL]], NO, "\n"), &[LogIsTrue]),
        (observed(End::Code(101), &[&[ALL, NULL]], NO, FAILED), &[EndsOrderly]),
        (observed(End::Signal(Signal::SIGABRT), &[&[ALL, NULL]], NO, FAILED), &[EndsOrderly]),
        (observed(End::Signal(Signal::SIGKILL), &[&[ALL, NULL]], NO, FAILED), &[EndsOrderly]),
    ] {
        assert_eq!(rules(&seen), broken, "{}", seen.transcript());
    }
    let succeeded = complete(&[&[OURS]], "", DONE);
    let [broken] = &judge(Command::named("hook-log"), true, &succeeded)[..] else { panic!() };
    assert_eq!(broken.rule, RefusalHolds);
}

/// A run that was killed says nothing, and leaves what is neither open nor wider.
#[test]
fn of_a_kill_only_states_are_judged() {
    let killed = |states: &[&[ProgId]]| {
        let mut seen = observed(End::Signal(Signal::SIGKILL), states, "", "");
        let row = calls::row(libc::SYS_close.cast_unsigned(), [0; 2]);
        seen.run.calls = vec![Call { row, nth: 1, first: 0, effect: Some(Effect::Kill) }];
        rules(&seen)
    };
    assert_eq!(killed(&[&[OURS, NULL]]), []);
    assert_eq!(killed(&[&[ALL]]), [Rule::NeverWider]);
}

#[test]
fn words() {
    assert!(names("program 12 is left", ProgId::new(12)));
    assert!(!names("program 123 is left", ProgId::new(12)));
    let claimed = claim("missing 1, 23; added none: x", "missing ");
    assert_eq!(claimed, Some([1, 23].map(ProgId::new).into()));
    assert_eq!(claim("missing 1; added none: x", "added "), Some([].into()));
    assert_eq!(claim("x", "added "), None);
}
