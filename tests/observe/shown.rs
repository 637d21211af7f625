//! Observers are shown as what they are, and nobody takes one for a program that decides.

use devgate::kernel::Stale;
use devgate::observe::{Observer, Scope, Size, Task};

use crate::Scene;
use crate::common::cgroup::TestCgroup;
use crate::common::command::devgate;
use crate::common::enforce::put;
use crate::common::require;

fn printed(args: &[&str]) -> String {
    devgate(args, "").success().to_owned()
}

#[test]
fn inspect_and_ls_show_an_observer_as_one() {
    if !require::bpf() {
        return;
    }
    let scene = Scene::new(&["allow c 1:3 rw"]);
    let observer = scene.observer(Size::default());
    let (id, own) = (observer.program_id(), scene.container.ids()[0]);

    let text = printed(&["inspect", "--cgroup", scene.container.text()]);
    assert!(
        text.contains(&format!(
            "  program {id} observes: it counts requests and allows all of them\n"
        )),
        "{text}"
    );
    assert!(text.contains(&format!("effective: what program {own} allows\n")), "{text}");
    assert!(!text.contains("does not"), "it differs from no program: {text}");

    let json = printed(&["inspect", "--json", "--cgroup", scene.container.text()]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let observes = |level: &serde_json::Value| level["programs"][0]["observes"].as_bool();
    assert_eq!(observes(&json), Some(false), "{json}");
    assert_eq!(observes(&json["ancestors"][0]), Some(true), "{json}");
    assert_eq!(json["differences"], serde_json::json!([]));

    let text = printed(&["ls", "--cgroup", scene.top.text()]);
    assert!(text.contains(&format!("observed by {id}")), "{text}");
    assert!(!text.contains("several") && !text.contains("all "), "{text}");
}

#[test]
fn an_observer_on_a_containers_own_cgroup_stays_and_is_in_nobodys_way() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let size = Size { per_container: 8, containers: 1 };
    let scope = Scope::one(&cgroup.open()).unwrap();
    let mut observer = Observer::load(Task { scope, size, ..Task::default() }).unwrap();
    observer.observe(cgroup.open()).unwrap();
    let first = put(&cgroup, &["allow c 1:3 rw"], Stale::All);
    assert_eq!((first.detached.as_slice(), first.left.as_slice()), (&[][..], &[][..]));
    let second = put(&cgroup, &["allow c 1:5 rw"], Stale::All);
    assert_eq!((second.detached, second.left), (vec![first.id], vec![]));
    let mut ids = cgroup.ids();
    ids.sort_unstable();
    let mut expected = [observer.program_id(), second.id];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let text = printed(&["ls", "--cgroup", cgroup.text()]);
    assert!(text.contains("1 rule") && !text.contains("several programs"), "{text}");
}
