//! runc runs devgate as a hook: a container's own opens are answered as its config.json says.

mod common;

use common::engine::answers::Answer::{Passed, Refused};
use common::engine::answers::Steps;
use common::engine::ready;
use common::engine::runc::{Runc, Runtime};

const DENY_ALL: &str = r#"{"allow": false, "access": "rwm"}"#;
const ALLOW_ALL: &str = r#"{"allow": true, "access": "rwm"}"#;

/// One rule on one character device, behind `first`.
fn then(first: &str, rules: &[(bool, u32, u32, &str)]) -> String {
    let rule = |(allow, major, minor, access): &(bool, u32, u32, &str)| {
        format!(
            r#", {{"allow": {allow}, "type": "c", "major": {major}, "minor": {minor}, "access": "{access}"}}"#
        )
    };
    format!("[{first}{}]", rules.iter().map(rule).collect::<String>())
}

#[test]
fn with_everything_denied_only_the_base_devices_open() {
    if !ready("runc") {
        return;
    }
    Runc::new(&then(DENY_ALL, &[]), &[]).expect(&[
        ("r /dev/null", Passed),
        ("w /dev/null", Passed),
        ("rw /dev/null", Passed),
        ("r /dev/zero", Passed),
        ("w /dev/zero", Passed),
        ("rw /dev/zero", Passed),
        ("r /dev/full", Passed),
        ("w /dev/full", Passed),
        ("rw /dev/full", Passed),
        ("r /dev/random", Passed),
        ("w /dev/random", Passed),
        ("rw /dev/random", Passed),
        ("r /dev/urandom", Passed),
        ("w /dev/urandom", Passed),
        ("rw /dev/urandom", Passed),
        ("r /dev/tty", Passed),
        ("w /dev/tty", Passed),
        ("rw /dev/tty", Passed),
        ("rw /dev/ptmx", Passed),
        ("m /dev/fuse c 10 229", Passed),
        ("r /dev/fuse", Refused),
        ("w /dev/fuse", Refused),
        ("rw /dev/fuse", Refused),
        ("m /dev/block b 510 7", Passed),
        ("r /dev/block", Refused),
        ("w /dev/block", Refused),
        ("rw /dev/block", Refused),
    ]);
}

/// What it takes to see where devgate and runc differ: /dev/full and /dev/net/tun are base
/// devices, and the other has its rules in the config alone.
fn exceptions() -> String {
    let rules =
        [(true, 1, 7, "rwm"), (false, 1, 7, "w"), (false, 10, 200, "rwm"), (true, 10, 229, "r")];
    then(DENY_ALL, &rules)
}

#[test]
fn explicit_rules_win_over_base_devices() {
    if !ready("runc") {
        return;
    }
    Runc::new(&exceptions(), &[]).expect(&[
        ("r /dev/full", Passed),
        ("w /dev/full", Refused),
        ("rw /dev/full", Refused),
        ("m /dev/tun c 10 200", Refused),
        ("m /dev/fuse c 10 229", Passed),
        ("r /dev/fuse", Passed),
        ("w /dev/fuse", Refused),
        ("rw /dev/fuse", Refused),
        ("rw /dev/zero", Passed),
    ]);
}

/// The control: without the hook the same rules are answered otherwise.
#[test]
fn without_the_hook_runcs_defaults_win_over_explicit_rules() {
    if !ready("runc") {
        return;
    }
    Runc::without_hook(&exceptions()).expect(&[
        ("r /dev/full", Passed),
        ("w /dev/full", Passed),
        ("rw /dev/full", Passed),
        ("m /dev/tun c 10 200", Passed),
        ("r /dev/tun", Passed),
        ("m /dev/fuse c 10 229", Passed),
        ("r /dev/fuse", Passed),
        ("w /dev/fuse", Refused),
        ("rw /dev/fuse", Refused),
    ]);
}

/// With everything allowed but writing to one device.
fn all_but_one_write() -> String {
    then(ALLOW_ALL, &[(false, 10, 229, "w")])
}

#[test]
fn with_everything_allowed_a_denied_write_denies_read_write() {
    if !ready("runc") {
        return;
    }
    Runc::new(&all_but_one_write(), &[]).expect(&[
        ("m /dev/fuse c 10 229", Passed),
        ("r /dev/fuse", Passed),
        ("w /dev/fuse", Refused),
        ("rw /dev/fuse", Refused),
        ("m /dev/char c 510 7", Passed),
        ("rw /dev/char", Passed),
        ("m /dev/block b 510 7", Passed),
        ("rw /dev/block", Passed),
    ]);
}

/// The control.
#[test]
fn without_the_hook_a_denied_write_lets_read_write_through() {
    if !ready("runc") {
        return;
    }
    Runc::without_hook(&all_but_one_write()).expect(&[
        ("m /dev/fuse c 10 229", Passed),
        ("r /dev/fuse", Passed),
        ("w /dev/fuse", Refused),
        ("rw /dev/fuse", Passed),
    ]);
}

#[test]
fn allow_all_allows_all() {
    if !ready("runc") {
        return;
    }
    Runc::new(&then(ALLOW_ALL, &[]), &[]).expect(&[
        ("rw /dev/null", Passed),
        ("m /dev/fuse c 10 229", Passed),
        ("r /dev/fuse", Passed),
        ("w /dev/fuse", Passed),
        ("rw /dev/fuse", Passed),
        ("m /dev/char c 510 7", Passed),
        ("rw /dev/char", Passed),
        ("m /dev/block b 510 7", Passed),
        ("rw /dev/block", Passed),
    ]);
}

#[test]
fn default_devices_none_leaves_the_configs_rules() {
    if !ready("runc") {
        return;
    }
    // runc itself opens /dev/null in the container.
    let rules = then(DENY_ALL, &[(true, 1, 3, "rw")]);
    Runc::new(&rules, &["--default-devices", "none"]).expect(&[
        ("r /dev/null", Passed),
        ("w /dev/null", Passed),
        ("rw /dev/null", Passed),
        ("m /dev/null2 c 1 3", Refused),
        ("r /dev/zero", Refused),
        ("w /dev/zero", Refused),
        ("rw /dev/zero", Refused),
        ("r /dev/tty", Refused),
        ("m /dev/fuse c 10 229", Refused),
    ]);
}

#[test]
fn default_devices_append_wins_over_explicit_rules() {
    if !ready("runc") {
        return;
    }
    Runc::new(&exceptions(), &["--default-devices", "append"]).expect(&[
        ("rw /dev/full", Passed),
        ("m /dev/tun c 10 200", Passed),
        ("r /dev/tun", Passed),
        ("m /dev/fuse c 10 229", Passed),
        ("r /dev/fuse", Passed),
        ("rw /dev/fuse", Refused),
    ]);
}

#[test]
fn the_program_gives_way_to_the_next_containers() {
    if !ready("runc") {
        return;
    }
    let steps: &Steps = &[("m /dev/fuse c 10 229", Passed), ("r /dev/fuse", Refused)];
    for _ in 0..2 {
        Runc::new(&then(DENY_ALL, &[]), &[]).expect(steps);
    }
}

/// Rules that runc takes and devgate does not, with what devgate says of them.
const MALFORMED: [(&str, &str); 3] = [
    (
        r#"[{"allow": false, "access": "rwm"}, {"type": "c", "access": "r"}]"#,
        "linux.resources.devices[1].allow: missing (expected true or false)",
    ),
    (
        r#"[{"allow": true, "access": "rx"}]"#,
        "linux.resources.devices[0].access: unknown access letter 'x'",
    ),
    (
        r#"[{"allow": true, "type": "c", "type": "c", "major": 1, "minor": 3, "access": "r"}]"#,
        "linux.resources.devices[0].type: duplicate key",
    ),
];

#[test]
fn a_malformed_config_stops_the_container_and_says_why() {
    if !ready("runc") {
        return;
    }
    for (rules, complaint) in MALFORMED {
        let mut runc = Runc::new(rules, &[]);
        let stderr = runc.expect_failure();
        assert!(stderr.contains(complaint), "{stderr}");
        let runs = runc.hook_runs();
        let [run] = &runs[..] else { panic!("not one run: {runs:?}") };
        assert_eq!((run.result.as_str(), run.program), ("failed", None));
        assert!(run.error.as_deref().is_some_and(|error| error.contains(complaint)), "{run:?}");
    }
}

#[test]
fn a_log_that_cant_be_opened_stops_the_container() {
    if !ready("runc") {
        return;
    }
    let mut runc = Runc::without_hook(&then(DENY_ALL, &[]));
    runc.set_hook(&["devgate", "hook", "--log", "/nonexistent/dir/log"]);
    let stderr = runc.expect_failure();
    let complaint = "devgate: log /nonexistent/dir/log can't be opened: No such file or directory";
    assert!(stderr.contains(complaint), "{stderr}");
}

/// `devgate` with no arguments is the hook: standard input is not a terminal.
#[test]
fn no_arguments_are_enough() {
    if !ready("runc") {
        return;
    }
    let mut runc = Runc::without_hook(&all_but_one_write());
    runc.set_hook(&["devgate"]);
    let steps: &Steps = &[("m /dev/fuse c 10 229", Passed), ("rw /dev/fuse", Refused)];
    let mut session = runc.start(steps);
    session.expect(steps);
    assert_eq!(session.wait().code, Some(0));
}

/// runc and crun as the README says that they differ from devgate, each without it and with it.
#[test]
fn without_devices_crun_lets_all_open_and_devgate_nothing() {
    if !(ready("runc") && ready("crun")) {
        return;
    }
    let open: &Steps = &[("m /dev/fuse c 10 229", Passed), ("rw /dev/fuse", Passed)];
    let closed: &Steps = &[("m /dev/fuse c 10 229", Passed), ("rw /dev/fuse", Refused)];
    for (runtime, without) in [(Runtime::Runc, closed), (Runtime::Crun, open)] {
        Runc::of(runtime, "null").expect(without);
        let mut gated = Runc::of(runtime, "null");
        gated.set_hook(&["devgate", "hook"]);
        let mut session = gated.start(closed);
        session.expect(closed);
        session.finish();
    }
}

#[test]
fn unknown_letters_are_ignored_by_runtimes_and_refused_by_devgate() {
    if !(ready("runc") && ready("crun")) {
        return;
    }
    let rules = then(DENY_ALL, &[(true, 10, 229, "rwa")]);
    let steps: &Steps = &[("m /dev/fuse c 10 229", Passed), ("rw /dev/fuse", Passed)];
    for runtime in [Runtime::Runc, Runtime::Crun] {
        Runc::of(runtime, &rules).expect(steps);
        let mut refused = Runc::of(runtime, &rules);
        refused.set_hook(&["devgate", "hook", "--log", &refused.log(), "--log-format", "json"]);
        refused.expect_failure();
        let error = refused.hook_runs().pop().and_then(|run| run.error).expect("the hook failed");
        assert!(error.contains("access: unknown access letter 'a'"), "{error}");
    }
}

/// runc and crun open /dev/null in the container after their hooks.
#[test]
fn default_devices_none_needs_a_rule_for_null() {
    if !(ready("runc") && ready("crun")) {
        return;
    }
    let none = ["devgate", "hook", "--default-devices", "none"];
    for runtime in [Runtime::Runc, Runtime::Crun] {
        let mut refused = Runc::of(runtime, &then(DENY_ALL, &[]));
        refused.set_hook(&none);
        let stderr = refused.expect_failure();
        assert!(stderr.contains("/dev/null: "), "{stderr}");
        let mut started = Runc::of(runtime, &then(DENY_ALL, &[(true, 1, 3, "rw")]));
        started.set_hook(&none);
        let mut session = started.start(&[]);
        session.expect(&[]);
        session.finish();
    }
}
