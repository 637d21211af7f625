use std::time::Duration;

use super::*;
use crate::change::devices::{Asked, DeviceName};
use crate::container::{CgroupRef, FileRef, History, Version};
use crate::hold::HoldMode;
use crate::kernel::{OverrideAncestor, RetvalPrograms, Stale};
use crate::unit::UnitMode;

const CONFIG: [&str; 2] = ["deny a *:* rwm", "allow c 10:200 rw"];

fn record() -> Record {
    Record {
        version: Version,
        id: "c1".parse().unwrap(),
        cgroup: CgroupRef { path: "/x".into(), id: 7 },
        bundle: None,
        pid: 1,
        rules: CONFIG.map(|rule| rule.parse().unwrap()).to_vec(),
        default_devices: DefaultDevices::Base,
        stale: Stale::All,
        override_ancestor: OverrideAncestor::Refuse,
        retval_programs: RetvalPrograms::Refuse,
        hold: HoldMode::Try,
        unit: UnitMode::Try,
        pin: None,
        grants: Vec::new(),
        history: History::default(),
    }
}

fn user() -> User {
    User { uid: 0, name: None }
}

fn devices(name: &DeviceName) -> Devices {
    match name {
        DeviceName::Numbers(devices) => *devices,
        DeviceName::Path(path) => panic!("{} is a path", path.display()),
    }
}

/// A grant like `c 10:229:rw` with a node at the path, if there is one.
fn new(text: &str, path: Option<&str>) -> NewGrant {
    let Asked { name, access } = text.parse().unwrap();
    let path: Option<DevPath> = path.map(|path| path.parse().unwrap());
    let node = path.as_ref().and_then(|_| name.resolve().unwrap().node);
    let grant = Grant {
        rule: devices(&name).rule(Verdict::Allow, access.unwrap()),
        device: name.to_string(),
        path,
        node: None,
        time: Time::now(),
        user: user(),
        expires: None,
        keep: false,
    };
    NewGrant { grant, node }
}

fn temporary(text: &str) -> NewGrant {
    let mut new = new(text, None);
    new.grant.expires = Time::now().plus(Duration::from_secs(600));
    new
}

fn grant(record: &Record, new: NewGrant) -> Edited {
    Edit::Grant(vec![new]).of(record, &user())
}

fn revoke(record: &Record, text: &str) -> Edited {
    let Asked { name, access } = text.parse().unwrap();
    let revoked = Revoked { device: name.to_string(), devices: devices(&name), access };
    Edit::Revoke(vec![revoked]).of(record, &user())
}

fn grants(record: &Record) -> Vec<String> {
    record.grants.iter().map(|grant| grant.rule.to_string()).collect()
}

fn allowed(record: &Record, request: &str) -> bool {
    record.policy().decide(&request.parse().unwrap()).verdict == Verdict::Allow
}

fn made(path: &str) -> MadeNode {
    let file = FileRef { file_system: 1, inode: 2 };
    MadeNode { path: path.parse().unwrap(), node: file, file, directories: 0 }
}

#[test]
fn granting_and_revoking_leaves_nothing() {
    let mut record = record();
    for _ in 0..3 {
        record = grant(&record, new("c 10:229:rw", None)).record;
        record = grant(&record, new("c 10:229:r", None)).record;
        assert_eq!(grants(&record), ["allow c 10:229 w", "allow c 10:229 r"]);
        assert!(allowed(&record, "c 10:229 rw"));
        let edited = revoke(&record, "c 10:229");
        assert_eq!(edited.closed[0].to_string(), "c 10:229");
        record = edited.record;
        assert_eq!(grants(&record), [""; 0]);
    }
    assert_eq!(record.history.changes().len(), 9);
}

#[test]
fn revoking_what_the_config_allows_adds_a_deny_and_granting_it_again_takes_that_off() {
    let record = revoke(&record(), "c 10:200:w").record;
    assert_eq!(grants(&record), ["deny c 10:200 w"]);
    assert!(allowed(&record, "c 10:200 r") && !allowed(&record, "c 10:200 w"));
    let again = grant(&record, new("c 10:200:rw", None)).record;
    assert_eq!(grants(&again), ["allow c 10:200 rw"]);
    // The base rules allow mknod, which is not asked about.
    let base = revoke(&record, "c 1:3").record;
    assert_eq!(grants(&base), ["deny c 10:200 w", "deny c 1:3 rw"]);
    assert_eq!(grants(&revoke(&base, "c 1:3:rwm").record), ["deny c 10:200 w", "deny c 1:3 rwm"]);
}

#[test]
fn what_was_granted_is_revoked_with_it() {
    let granted = grant(&record(), new("c 200:1:rwm", None)).record;
    assert_eq!(grants(&revoke(&granted, "c 200:1").record), ["deny c 200:1 m"]);
    let part = revoke(&granted, "c 200:1:w").record;
    assert_eq!(grants(&part), ["allow c 200:1 rm"]);
}

#[test]
fn a_wildcard_takes_what_it_covers_and_denies_the_rest() {
    let mut granted = grant(&record(), new("c 195:0:rw", Some("/dev/n"))).record;
    granted.grants[0].node = Some(made("/dev/n"));
    let edited = revoke(&granted, "c 195:*");
    assert_eq!(grants(&edited.record), ["deny c 195:* rw"]);
    assert_eq!(edited.dropped.len(), 1);
    let wide = grant(&record(), new("c 195:*:rw", None)).record;
    assert_eq!(grants(&revoke(&wide, "c 195:3").record), ["allow c 195:* rw", "deny c 195:3 rw"]);
}

#[test]
fn what_ends_by_itself_leaves_what_was_before() {
    let denied = revoke(&record(), "c 10:200").record;
    let temporary_grant = grant(&denied, temporary("c 10:200:rw")).record;
    assert_eq!(grants(&temporary_grant), ["deny c 10:200 rw", "allow c 10:200 rw"]);
    let longer = grant(&temporary_grant, temporary("c 10:200:rw")).record;
    assert_eq!(grants(&longer).len(), 2);
    let later = Time::now().plus(Duration::from_secs(601)).unwrap();
    let ended = Edit::Expire(later).of(&longer, &user()).record;
    assert_eq!(grants(&ended), ["deny c 10:200 rw"]);
    assert_eq!(grants(&Edit::Expire(Time::now()).of(&longer, &user()).record).len(), 2);
    assert_eq!(grants(&grant(&longer, new("c 10:200:rw", None)).record), ["allow c 10:200 rw"]);
    assert_eq!(grants(&revoke(&longer, "c 10:200").record), ["deny c 10:200 rw"]);
}

#[test]
fn a_node_stays_with_its_device() {
    let edited = grant(&record(), new("c 10:229:r", Some("/dev/fuse")));
    assert_eq!(edited.wanted.len(), 1);
    let mut record = edited.record;
    record.grants[0].node = Some(made("/dev/fuse"));
    for path in [None, Some("/dev/fuse")] {
        let again = grant(&record, new("c 10:229:rw", path));
        assert_eq!((again.wanted.len(), again.dropped.len()), (0, 0), "{path:?}");
        assert_eq!(again.record.grants[0].node, Some(made("/dev/fuse")));
    }
    // What is left of a grant may be revoked alone.
    let mut both = grant(&record, new("c 10:229:rw", None)).record;
    both = grant(&both, new("c 10:229:w", Some("/dev/fuse"))).record;
    let rest = revoke(&both, "c 10:229:r");
    assert_eq!(
        (rest.dropped.len(), grants(&rest.record)),
        (0, vec!["allow c 10:229 w".to_owned()])
    );
    assert_eq!(rest.record.grants[0].node, Some(made("/dev/fuse")));
    let moved = grant(&record, new("c 10:229:rw", Some("/dev/other")));
    assert_eq!((moved.wanted.len(), moved.dropped.len()), (1, 1));
    let part = revoke(&record, "c 10:229:w");
    assert_eq!((part.dropped.len(), grants(&part.record).len()), (0, 1));
    assert_eq!(revoke(&record, "c 10:229").dropped[0].node, Some(made("/dev/fuse")));
}

#[test]
fn of_one_command_each_device_has_one_node() {
    let twice = [new("c 10:229:r", Some("/dev/a")), new("c 10:229:r", Some("/dev/b"))];
    let edited = Edit::Grant(twice.to_vec()).of(&record(), &user());
    assert_eq!((edited.wanted.len(), grants(&edited.record).len()), (1, 1));
    assert_eq!(edited.wanted[0].0.as_str(), "/dev/b");
}

#[test]
fn an_update_replaces_rules_and_grants() {
    let mut record = grant(&record(), new("c 10:229:rw", Some("/dev/fuse"))).record;
    record.grants[0].node = Some(made("/dev/fuse"));
    let rules = vec!["allow c 1:3 r".parse().unwrap()];
    let update = Edit::Update { rules: rules.clone(), default_devices: DefaultDevices::None };
    let edited = update.of(&record, &user());
    assert_eq!((edited.record.rules.clone(), edited.dropped.len()), (rules, 1));
    assert!(edited.record.grants.is_empty() && !allowed(&edited.record, "c 1:5 r"));
}

#[test]
fn a_node_that_is_left_is_tried_again_and_allows_nothing() {
    let mut record = grant(&record(), new("c 10:229:rw", Some("/dev/fuse"))).record;
    record.grants[0].node = Some(made("/dev/fuse"));
    let edited = revoke(&record, "c 10:229");
    let mut left = edited.record;
    left.grants.push(left_over(&edited.dropped[0]));
    assert!(!allowed(&left, "c 10:229 r"));
    let next = revoke(&left, "c 1:9:m");
    assert_eq!((next.dropped.len(), grants(&next.record)), (1, vec!["deny c 1:9 m".to_owned()]));
}

#[test]
fn a_grant_that_is_not_kept_leaves_what_is_kept() {
    let mut kept = new("c 10:229:rw", None);
    kept.grant.keep = true;
    let record = grant(&record(), kept).record;
    let keeps = |record: &Record| -> Vec<(String, bool)> {
        record.grants.iter().map(|grant| (grant.rule.to_string(), grant.keep)).collect()
    };
    let part = grant(&record, new("c 10:229:r", None)).record;
    let expected = [("allow c 10:229 w".to_owned(), true), ("allow c 10:229 r".to_owned(), true)];
    assert_eq!(keeps(&part), expected);
    let more = grant(&record, new("c 10:*:rw", None)).record;
    let expected = [("allow c 10:229 rw".to_owned(), true), ("allow c 10:* rw".to_owned(), false)];
    assert_eq!(keeps(&more), expected);
}
