//! Grants that end by themselves.

use std::path::Path;
use std::time::Duration;

use devgate::change::{Edit, Mode, NewGrant, OldNodes, Options, Stores, change};
use devgate::container::{Action, Grant, NodeSpec, StoreError, Time, User};
use devgate::device::DeviceType;
use devgate::guard::{Done, Event};
use devgate::policy::Verdict;

use super::common::engine::ready;
use super::common::engine::runc::Runc;
use super::common::opener::serve_if_child;
use super::common::require;
use super::stage::{Container, found, guard, parse, records};

const KMSG: &str = "c 1:11 r";

fn user() -> User {
    User { uid: 0, name: None }
}

/// A grant of KMSG that ends so long from now.
fn grant(ends: Duration) -> Grant {
    let time = Time::now();
    Grant {
        rule: format!("allow {KMSG}").parse().expect("a rule"),
        device: "/dev/kmsg".to_owned(),
        path: None,
        node: None,
        time,
        user: user(),
        expires: time.plus(ends),
        keep: false,
    }
}

/// Its grants end now, whatever was said.
fn let_expire(id: &str) {
    let id = id.parse().expect("an id");
    let edited = records().edit::<_, StoreError>(&id, |record| {
        record.grants.iter_mut().for_each(|grant| grant.expires = Some(Time::now()));
        Ok(())
    });
    edited.expect("the record can be changed");
}

#[test]
fn a_grant_ends_when_its_time_is_over() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let test = "expiry::a_grant_ends_when_its_time_is_over";
    let mut container = Container::new("c1", test, &["--hold", "require"]);
    let mut guard = guard();
    let stores = Stores::open().expect("they can be used");
    let options = Options { user: user(), old_nodes: OldNodes::Remove, mode: Mode::Do };
    let grant = grant(Duration::from_secs(600));
    let edit = Edit::Grant(vec![NewGrant { grant, node: None }]);
    change(&stores, &container.id(), edit, &options).expect("it can be granted");
    assert_eq!(found(&mut guard), [""; 0]);
    assert_eq!(container.opener.verdict(&parse(KMSG)), Verdict::Allow);

    let_expire("c1");
    let events = guard.look().expect("it can look");
    let [Event { found: ended, done: Done::Expired(_), .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(ended, &["the time of \"allow c 1:11 r\" is over"]);
    container.assert_held();
    let record = records().get(&container.id()).expect("it can be read").expect("there is one");
    assert_eq!(record.grants, []);
    let last = record.history.changes().last().expect("there are changes");
    assert_eq!(last.action, Action::Expire);
    assert!(guard.look().expect("it can look").is_empty());
}

#[test]
fn its_node_goes_with_it() {
    if !ready("runc") {
        return;
    }
    let rules = r#"[{"allow": false, "access": "rwm"}]"#;
    Runc::new(rules, &[]).with_running(|container| {
        let mut guard = guard();
        let stores = Stores::open().expect("they can be used");
        let options = Options { user: user(), old_nodes: OldNodes::Remove, mode: Mode::Do };
        let path = "/dev/fuse".parse().expect("a path");
        let rule = "allow c 10:229 rw".parse().expect("a rule");
        let grant = Grant { path: Some(path), rule, ..grant(Duration::from_secs(600)) };
        let node = NodeSpec::new(DeviceType::Char, 10, 229).expect("a device of Linux");
        let edit = Edit::Grant(vec![NewGrant { grant, node: Some(node) }]);
        let id = "container".parse().expect("an id");
        change(&stores, &id, edit, &options).expect("it can be granted");
        assert_eq!(found(&mut guard), [""; 0]);
        let open = ": <> /dev/fuse && echo opened";
        assert_eq!(container.shell(open), "opened");
        let_expire("container");
        assert_eq!(guard.look().expect("it can look").len(), 1);
        let node = format!("/proc/{}/root/dev/fuse", container.pid());
        assert!(!Path::new(&node).exists(), "the node is there still");
    });
}
