//! The semantics, row by row, put to each kernel.

use std::fmt::Write;

use devgate::device::{Access, DeviceType, Request};
use devgate::oci::DeviceEntry;
use serde_json::{Value, json};

use super::common::semantics::{Row, rows};
use super::guest::guests;

/// The rows that one system call of a shell asks just that.
fn askable() -> impl Iterator<Item = &'static Row> {
    rows().filter(|row| row.can_exist() && in_words(&row.request()).is_some())
}

/// Access, type, major and minor as the guest's `verdict` takes them.
fn in_words(request: &Request) -> Option<String> {
    let Request { device_type, major, minor, access } = *request;
    // /dev/mem and /dev/port have an EPERM of their own; of 0:0 the cgroup is never asked.
    let is_asked = ![(0, 0), (1, 1), (1, 4)].contains(&(major, minor));
    let one_call = access == Access::MKNOD || !access.contains(Access::MKNOD);
    let type_letter = match device_type {
        DeviceType::Block => 'b',
        DeviceType::Char => 'c',
    };
    let asked = is_asked && one_call && access != Access::NONE;
    asked.then(|| format!("{access} {type_letter} {major} {minor}"))
}

/// Applies each row's policy, and asks.
pub fn script() -> String {
    let mut script = "new_cgroup semantics\n".to_owned();
    for (number, row) in askable().enumerate() {
        let policy = row.policy();
        let rules: Vec<Value> =
            policy.rules().iter().map(|rule| json!(DeviceEntry(*rule))).collect();
        let config = json!({"linux": {"resources": {"devices": rules}}});
        let request = in_words(&row.request()).expect("it is askable");
        // Writing to a String can't fail.
        let _ = writeln!(
            script,
            "devgate apply --cgroup $cgroup --hold no --default-devices none --config - >/dev/null \
             <<'END'\n{config}\nEND\nstep {number} verdict $cgroup {request}"
        );
    }
    script
}

#[test]
fn each_kernel_gives_each_row_s_verdict() {
    assert!(askable().count() > 30);
    for guest in guests() {
        for (number, row) in askable().enumerate() {
            let found = guest.done("semantics", &number.to_string());
            assert_eq!(found.trim(), row.verdict.to_string(), "{}: {}", guest.kernel, row.name);
        }
    }
}
