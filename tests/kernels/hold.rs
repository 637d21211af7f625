//! The hook, the link that holds its program, and changes of the policy.

use serde_json::json;

use super::guest::{Guest, guests};

pub const SCRIPT: &str = include_str!("hold.sh");

#[track_caller]
fn assert_verdict(guest: &Guest, step: &str, verdict: &str) {
    let found = guest.done("hold", step);
    assert_eq!(found.trim(), verdict, "{}: {step}", guest.kernel);
}

#[test]
fn the_hook_s_program_is_held_by_a_pinned_link() {
    for guest in guests() {
        assert_eq!(guest.done("hold", "hook"), "", "{}", guest.kernel);
        let inspected = guest.json("hold", "inspect");
        let [program] = &inspected["programs"].as_array().expect("programs")[..] else {
            panic!("{}: {inspected}", guest.kernel);
        };
        assert_eq!(program["generator"], "devgate");
        assert_eq!(program["listed"], true);
        assert_eq!(inspected["effective"]["verdict"], "exact");
        let fuse = json!({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"});
        let rules = inspected["effective"]["rules"].as_array().expect("rules");
        assert!(rules.contains(&fuse), "{}: {rules:?}", guest.kernel);
        let pin = guest.done("hold", "pins");
        assert_eq!(program["link"]["pin"], format!("/sys/fs/bpf/devgate/{}", pin.trim()));
        let listed = guest.json("hold", "ls");
        assert_eq!(listed[0]["held"], json!([program["id"]]), "{}: {listed}", guest.kernel);
    }
}

#[test]
fn the_kernel_answers_as_the_policy_says_and_as_check_tells() {
    for guest in guests() {
        assert_verdict(guest, "hook:read", "allow");
        assert_verdict(guest, "hook:write", "deny");
        let check = guest.step("hold", "check");
        let verdicts: Vec<_> = check.output.lines().map(|line| &line[..5]).collect();
        assert_eq!(verdicts, ["allow", "deny ", "allow"], "{}: {check:?}", guest.kernel);
        assert_eq!(check.code, Some(3));
    }
}

#[test]
fn a_grant_and_its_revocation_are_in_force_at_once() {
    for guest in guests() {
        guest.done("hold", "grant");
        assert_verdict(guest, "grant:write", "allow");
        guest.done("hold", "revoke");
        assert_verdict(guest, "revoke:write", "deny");
    }
}

#[test]
fn the_link_keeps_the_policy_when_the_list_changes() {
    for guest in guests() {
        let replaced = guest.done("hold", "replace");
        assert!(replaced.contains("attached program"), "{}: {replaced}", guest.kernel);
        assert_verdict(guest, "replace:write", "deny");
    }
}

#[test]
fn nothing_is_left_after_poststop() {
    for guest in guests() {
        assert_eq!(guest.done("hold", "poststop"), "", "{}", guest.kernel);
        assert_eq!(guest.done("hold", "poststop:pins"), "", "{}", guest.kernel);
        let gc = guest.done("hold", "gc");
        let none =
            "removed 0 pins and 0 records of containers that ended; in use: 0 pins and 0 records\n";
        assert_eq!(gc, none, "{}", guest.kernel);
    }
}
