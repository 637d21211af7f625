//! What an operator asks about a podman container, as the README shows it.

mod common;

use common::command::devgate;
use common::engine::podman::Podman;
use common::engine::ready;
use serde_json::Value;

#[test]
fn every_question_is_answered_by_the_containers_id() {
    if !(ready("podman") && ready("runc")) {
        return;
    }
    let podman = Podman::new(&[]);
    podman.look(&["--device-cgroup-rule=c 10:229 r"], |id, config| {
        let short = &id[..12];
        let inspect = devgate(&["inspect", short], "");
        let lines: Vec<&str> = inspect.success().lines().collect();
        assert!(lines[0].ends_with(&format!("libpod-{id}")), "{inspect:?}");
        assert!(lines.contains(&"    allow c 10:229 r           /dev/fuse"), "{inspect:?}");

        let check = devgate(&["check", "--container", short, "--json", "/dev/fuse:rw"], "");
        assert_eq!(check.code, Some(3));
        let line: Value = serde_json::from_str(check.text()).expect("a JSON object");
        assert_eq!((line["major"].as_u64(), line["minor"].as_u64()), (Some(10), Some(229)));
        assert_eq!(line["verdict"], "deny");
        let warning = "warning: /dev/fuse is not there for the process: taking the host's";
        assert_eq!(check.complaint(), warning);

        let ls = devgate(&["ls"], "");
        let row = ls.success().lines().find(|line| line.contains(short)).expect("it is listed");
        assert!(row.contains(" 11 rules"), "{row}");

        let config = config.to_str().expect("the path is text");
        let diff = ["check", "--container", short, "--diff", "--config"];
        let same = devgate(&[&diff[..], &[config]].concat(), "");
        assert_eq!(same.success(), "no difference\n");
        let differs = devgate(&[&diff[..], &["-"]].concat(), "{}");
        assert_eq!(differs.code, Some(3));
        assert_eq!(
            differs.text(),
            "the programs allow c 10:229 r (/dev/fuse), the config does not\n"
        );
    });
}
