//! Programs that set the return value of the whole run, against the kernel.

use std::os::fd::AsFd;

use devgate::bpf::Insn;
use devgate::device::Request;
use devgate::policy::Verdict;
use serde_json::{Value, json};

use super::common::assembly::assemble;
use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::devgate;
use super::common::opener::{Opener, serve_if_child};
use super::common::require;

const MULTI: u32 = 2;
const PREORDER: u32 = 64;

const ALLOW: &str = "r0 = 1; exit";
const DENY: &str = "r0 = 0; exit";
/// What earlier programs denied is allowed.
const TAKE_BACK: &str = "r1 = 0; call 187; r0 = 1; exit";
/// Returns 1, and denies with EACCES.
const REFUSE: &str = "r1 = -13; call 187; r0 = 1; exit";
const TAKE_BACK_AND_DENY: &str = "r1 = 0; call 187; r0 = 0; exit";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum On {
    Parent,
    Child,
}
use On::{Child, Parent};

/// Where programs are attached, with which flags besides multi; what the kernel says; and what
/// `check` says, which may be that it does not know.
struct Case {
    programs: &'static [(On, &'static str, u32)],
    opens: &'static str,
    check: &'static str,
}

const CASES: [Case; 10] = [
    Case { programs: &[(Child, DENY, 0), (Parent, TAKE_BACK, 0)], opens: "ok", check: "unknown" },
    Case { programs: &[(Child, DENY, 0), (Child, TAKE_BACK, 0)], opens: "ok", check: "unknown" },
    Case { programs: &[(Child, TAKE_BACK, 0), (Child, DENY, 0)], opens: "EPERM", check: "deny" },
    Case { programs: &[(Child, TAKE_BACK, 0), (Parent, DENY, 0)], opens: "EPERM", check: "deny" },
    Case { programs: &[(Child, REFUSE, 0), (Parent, ALLOW, 0)], opens: "EACCES", check: "unknown" },
    Case { programs: &[(Child, ALLOW, 0), (Parent, REFUSE, 0)], opens: "EACCES", check: "unknown" },
    Case {
        programs: &[(Child, DENY, 0), (Parent, TAKE_BACK_AND_DENY, 0)],
        opens: "EPERM",
        check: "deny",
    },
    Case {
        programs: &[(Child, DENY, 0), (Parent, TAKE_BACK, PREORDER)],
        opens: "EPERM",
        check: "deny",
    },
    Case {
        programs: &[(Child, TAKE_BACK, 0), (Parent, DENY, PREORDER)],
        opens: "ok",
        check: "unknown",
    },
    Case { programs: &[(Child, ALLOW, 0), (Parent, ALLOW, 0)], opens: "ok", check: "allow" },
];

#[test]
fn what_is_said_is_what_the_kernel_does() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let parent = TestCgroup::new();
    let child = parent.child();
    let name = "retval::what_is_said_is_what_the_kernel_does";
    let mut opener = Opener::within(&child, name);
    let request: Request = "c 1:5 r".parse().expect("a request");
    opener.make_node(&request);
    for (index, Case { programs, opens, check }) in CASES.iter().enumerate() {
        let attached: Vec<(On, Foreign)> = programs
            .iter()
            .map(|(on, text, flags)| {
                let program = Foreign::with("retval", assemble(text).insns());
                program.attach(at(*on, &parent, &child).open().as_fd(), MULTI | flags);
                (*on, program)
            })
            .collect();
        assert_eq!(opener.ask(&request), *opens, "case {index}");
        let said = said(&child);
        assert_eq!(said["verdict"], *check, "case {index}: {said}");
        let effective = report(&child)["effective"].clone();
        let expected = if *check == "unknown" { "unknown" } else { "exact" };
        assert_eq!(effective["verdict"], expected, "case {index}: {effective}");
        for (on, program) in &attached {
            let cgroup = at(*on, &parent, &child);
            devgate(&["detach", "--cgroup", cgroup.text(), "--id", &program.id.to_string()], "")
                .success();
        }
    }
    assert_eq!(opener.verdict(&request), Verdict::Allow);
}

fn at<'c>(on: On, parent: &'c TestCgroup, child: &'c TestCgroup) -> &'c TestCgroup {
    match on {
        Parent => parent,
        Child => child,
    }
}

fn said(cgroup: &TestCgroup) -> Value {
    let run = devgate(&["check", "--json", "--cgroup", cgroup.text(), "c 1:5 r"], "");
    let said: Value = serde_json::from_str(run.text()).expect("one JSON object");
    assert_eq!(run.code, Some(if said["verdict"] == "allow" { 0 } else { 3 }));
    said
}

fn report(cgroup: &TestCgroup) -> Value {
    let run = devgate(&["inspect", "--json", cgroup.text()], "");
    serde_json::from_str(run.success()).expect("one JSON object")
}

#[test]
fn the_program_is_named_and_so_is_what_it_calls() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let denying = Foreign::denying("denying");
    denying.attach(cgroup.open().as_fd(), MULTI);
    let program = Foreign::with("takes_back", assemble(TAKE_BACK).insns());
    let _link = program.link(cgroup.open().as_fd());
    let id = program.id;
    let why = "instruction 1 calls bpf_set_retval";
    let report = report(&cgroup);
    assert_eq!(report["effective"]["retval"], json!([{"id": id.number(), "reason": why}]));
    assert_eq!(report["programs"][1]["retval"], why);
    assert_eq!(report["programs"][1]["rules"][0]["allow"], true);
    let reason = format!("program {id} may set the return value ({why})");
    assert_eq!(said(&cgroup)["reason"], reason);
    assert_eq!(said(&cgroup)["programs"][0]["verdict"], "deny");
    let run = devgate(&["check", "--cgroup", cgroup.text(), "c 1:5 r"], "");
    assert!(run.text().starts_with("unknown  c 1:5 r"), "{}", run.text());
    let run = devgate(&["inspect", cgroup.text()], "");
    let name = cgroup.path().file_name().unwrap().to_str().unwrap();
    let lines = format!(
        "effective: unknown\n  program {id} (takes_back, on {name}) may set the return value: it \
         may allow what programs before it deny, and deny what they allow\n"
    );
    assert!(run.success().contains(&lines), "{}", run.text());
    let rules = devgate(&["inspect", "--rules", cgroup.text()], "");
    let complaint = format!("the effective policy is unknown, because of program {id}");
    assert!(rules.failure().starts_with(&complaint), "{rules:?}");
    let diff = devgate(&["check", "--cgroup", cgroup.text(), "--diff", "--config", "-"], "{}");
    assert_eq!(diff.code, Some(3));
    let line = format!("program {id} may set the return value, so more or less may be allowed");
    assert!(diff.text().contains(&line), "{}", diff.text());
    let ls: Value =
        serde_json::from_str(devgate(&["ls", "--json", "--cgroup", cgroup.text()], "").success())
            .expect("an array");
    assert_eq!(ls[0]["summary"], "opaque");
    let marks = ls[0]["marks"].as_array().expect("an array");
    assert!(marks.contains(&json!("may set the return value")), "{marks:?}");
}

/// A call that is never made counts for the request that makes it alone.
#[test]
fn only_the_requests_that_set_it_are_unknown() {
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let text = "r2 = *(u32 *)(r1 +8); w0 = 1; if w2 != 7 goto +3; r1 = 0; call 187; w0 = 1; exit";
    Foreign::denying("denying").attach(cgroup.open().as_fd(), MULTI);
    let insns: Vec<Insn> = assemble(text).insns().to_vec();
    Foreign::with("sometimes", &insns).attach(cgroup.open().as_fd(), MULTI);
    let check = |request: &str| {
        let run = devgate(&["check", "--cgroup", cgroup.text(), request], "");
        run.text().split(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(check("c 1:5 r"), "deny");
    assert_eq!(check("c 1:7 r"), "unknown");
}
