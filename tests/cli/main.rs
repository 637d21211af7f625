//! The commands, through the real binary.

mod annotations;
mod apply;
mod check;
mod compile;
mod demo;
mod hook;
mod inspect;
mod log;
mod mounts;
mod poststop;
mod process;
mod rootless;
mod unprivileged;
mod usage;

#[path = "../common/mod.rs"]
mod common;

/// A config that says something about each kind of rule.
const CONFIG: &str = r#"{"ociVersion":"1.2.0","linux":{"resources":{"devices":[
    {"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":10,"minor":229,"access":"rw"},
    {"allow":true,"type":"b","major":8,"access":"r"},
    {"allow":true,"type":"c","major":1,"minor":11,"access":"rw"},
    {"allow":false,"type":"c","major":1,"minor":11,"access":"w"},
    {"allow":false,"type":"c","major":10,"minor":200,"access":"rwm"}
]}}}"#;
