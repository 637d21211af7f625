//! What a container sees while its policy is changed again and again.

use devgate::change::{Asked, Edit, Mode, NewGrant, OldNodes, Options, Revoked, Stores, change};
use devgate::container::{Grant, Time, User};
use devgate::device::Request;
use devgate::policy::Verdict;

use super::common::opener::{Opener, serve_if_child};
use super::common::require;
use super::stage::{FUSE, Stage};

const CHANGES: usize = 1_000;
const TEST: &str = "steady::a_loop_of_opens_sees_no_wrong_answer_during_a_thousand_changes";

/// A device that is always allowed always opens, one that is never granted never does, and the one
/// in between is what the last command made it.
#[test]
fn a_loop_of_opens_sees_no_wrong_answer_during_a_thousand_changes() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let stage = Stage::new();
    let stores = Stores::open().expect("they can be opened");
    let id = stage.id.parse().expect("an id");
    let user = User { uid: 0, name: None };
    let options = Options { user: user.clone(), old_nodes: OldNodes::Remove, mode: Mode::Do };
    let Asked { name, access } = "c 10:229:rw".parse().expect("a device");
    let devices = name.resolve().expect("numbers").devices;
    let rule = devices.rule(Verdict::Allow, access.expect("an access"));
    let granted = || {
        let (device, user, time) = (name.to_string(), user.clone(), Time::now());
        let (path, node, expires, keep) = (None, None, None, false);
        let grant = Grant { rule, device, path, node, time, user, expires, keep };
        Edit::Grant(vec![NewGrant { grant, node: None }])
    };
    let revoked = || Edit::Revoke(vec![Revoked { device: name.to_string(), devices, access }]);
    let request = |text: &str| -> Request { text.parse().expect("a request") };
    let (fuse, null, never) = (request(FUSE), request("c 1:3 rw"), request("c 10:237 r"));
    let opener = |request: &Request| {
        let mut opener = Opener::within(&stage.cgroup, TEST);
        opener.make_node(request);
        opener
    };
    let mut toggled = opener(&fuse);
    let (mut always, mut refused) = (opener(&null), opener(&never));
    let mut of_never = None;
    let of_always = always.hammer(&null, || {
        of_never = Some(refused.hammer(&never, || {
            for number in 0..CHANGES {
                let (edit, expected) = match number % 2 {
                    0 => (granted(), Verdict::Allow),
                    _ => (revoked(), Verdict::Deny),
                };
                change(&stores, &id, edit, &options).expect("it can be changed");
                assert_eq!(toggled.verdict(&fuse), expected, "change {number}");
            }
        }));
    });
    let of_never = of_never.expect("it was asked");
    println!("always {of_always:?}, never {of_never:?}");
    assert_eq!((of_always.denied, of_never.opened), (0, 0));
    assert!(of_always.opened > 1_000 && of_never.denied > 1_000);
    assert_eq!(stage.record().history.changes().len(), 100);
    assert_eq!(stage.record().history.dropped(), 900);
}
