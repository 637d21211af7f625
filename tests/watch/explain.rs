//! Which program on which cgroup decides a request, and by which rule.

use std::os::fd::AsFd;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use devgate::device::Request;
use devgate::inspect::{Answer, AsOf, Explainer, Explanation, Generator};
use devgate::kernel::Stale;
use devgate::policy::Verdict;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::enforce::put;
use super::common::require;
use super::stage::Stage;

fn id(cgroup: &TestCgroup) -> u64 {
    cgroup.open().id().unwrap()
}

#[track_caller]
fn explained(explainer: &mut Explainer, cgroup: &TestCgroup, request: &str) -> Rc<Explanation> {
    let request: Request = request.parse().unwrap();
    explainer.explain(id(cgroup), &request).unwrap()
}

fn why(explanation: &Explanation) -> String {
    explanation.decider.as_ref().expect("a program decides").why.to_string()
}

#[test]
fn a_container_has_the_rules_of_its_record() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let mut explainer = Explainer::default();
    let mut told = |request: &str| {
        let explanation = explained(&mut explainer, &stage.cgroup, request);
        let part = explanation.decider.as_ref().unwrap();
        assert_eq!(part.runner.id, stage.cgroup.ids()[0]);
        assert_eq!(part.runner.generator, Some(Generator::Devgate));
        assert_eq!(part.runner.cgroup.as_deref(), Some(stage.cgroup.path()));
        (explanation.verdict().unwrap(), why(&explanation))
    };
    let deny = |why: &str| (Verdict::Deny, why.to_owned());
    let allow = |why: &str| (Verdict::Allow, why.to_owned());
    assert_eq!(told("c 10:229 rw"), deny("deny a *:* rwm (devices[0])"));
    assert_eq!(told("c 1:11 rw"), deny("deny a *:* rwm (devices[0])"));
    assert_eq!(told("c 1:11 r"), allow("allow c 1:11 r (devices[2])"));
    assert_eq!(told("c 1:3 rw"), allow("allow c 1:3 rwm (base default)"));
    // A change is seen without being asked for.
    stage.runs(&["grant", "C", "/dev/fuse:r", "--no-node"]);
    stage.runs(&["revoke", "C", "c 1:11:r"]);
    sleep(Duration::from_millis(100));
    assert_eq!(told("c 10:229 r"), allow("allow c 10:229 r (grants[0])"));
    assert_eq!(told("c 10:229 rw"), deny("deny a *:* rwm (devices[0])"));
    assert_eq!(told("c 1:11 r"), deny("deny c 1:11 r (grants[1])"));
}

#[test]
fn the_program_of_a_cgroup_above_is_named() {
    if !require::bpf() {
        return;
    }
    let outer = TestCgroup::new();
    let inner = outer.child();
    let nested = inner.child();
    let above = put(&outer, &["allow c 1:* rwm"], Stale::All).id;
    let own = put(&inner, &["allow c 1:3 rwm", "allow c 10:229 rw"], Stale::All).id;
    // Whatever allows everything decides nothing.
    let observer = Foreign::allowing("observer");
    observer.attach(nested.open().as_fd(), 2);
    let mut explainer = Explainer::default();
    for cgroup in [&inner, &nested] {
        let explanation = explained(&mut explainer, cgroup, "c 10:229 rw");
        let part = explanation.decider.as_ref().unwrap();
        assert_eq!((part.runner.id, part.answer.clone()), (above, Answer::Denies));
        assert_eq!(part.runner.cgroup.as_deref(), Some(outer.path()));
        assert_eq!((why(&explanation), explanation.others.len()), ("no rule allows rw".into(), 0));
        let both = explained(&mut explainer, cgroup, "b 8:0 r");
        assert_eq!(both.decider.as_ref().unwrap().runner.id, own);
        assert_eq!(both.others.iter().map(|other| other.id).collect::<Vec<_>>(), [above]);
        let allowed = explained(&mut explainer, cgroup, "c 1:3 r");
        assert_eq!(allowed.verdict(), Some(Verdict::Allow));
        assert_eq!(allowed.decider.as_ref().unwrap().runner.id, own);
        assert_eq!(why(&allowed), "allow c 1:3 rwm");
    }
}

#[test]
fn without_a_program_nobody_decides() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let explanation = explained(&mut Explainer::default(), &cgroup, "c 1:3 r");
    assert_eq!((explanation.verdict(), &explanation.decider), (Some(Verdict::Allow), &None));
}

#[test]
fn of_a_cgroup_that_is_gone_the_last_look_is_told_or_nothing() {
    if !require::bpf() {
        return;
    }
    let (seen, unseen) = (TestCgroup::new(), TestCgroup::new());
    let (seen_id, unseen_id) = (id(&seen), id(&unseen));
    let program = put(&seen, &["deny c 10:229 w", "allow c 10:229 r"], Stale::All).id;
    let mut explainer = Explainer::default();
    explainer.learn(seen_id).unwrap();
    seen.remove().unwrap();
    unseen.remove().unwrap();
    sleep(Duration::from_millis(100));
    let request: Request = "c 10:229 rw".parse().unwrap();
    let explanation = explainer.explain(seen_id, &request).unwrap();
    assert_eq!(explanation.as_of, AsOf::LastLook);
    assert_eq!(explanation.decider.as_ref().unwrap().runner.id, program);
    let error = explainer.explain(unseen_id, &request).unwrap_err().to_string();
    let expected = "its cgroup was removed before devgate could look at its programs";
    assert_eq!(error, expected);
    explainer.forget(seen_id);
    assert_eq!(explainer.explain(seen_id, &request).unwrap_err().to_string(), expected);
}

#[test]
fn a_program_that_is_not_the_records_is_decoded() {
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let other = put(&stage.cgroup, &["allow c 1:11 w"], Stale::None).id;
    let explanation = explained(&mut Explainer::default(), &stage.cgroup, "c 1:11 r");
    let part = explanation.decider.as_ref().unwrap();
    assert_eq!((part.runner.id, why(&explanation)), (other, "no rule allows r".to_owned()));
}
