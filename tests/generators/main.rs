//! Programs that others made, attached for real: what devgate decodes them to is what the
//! kernel does. Needs root, runc, and systemd's binary.

#[path = "../common/mod.rs"]
mod common;

mod libcgroups;
mod probe;
mod runc;
mod systemd;

/// What the probes' children start with.
#[test]
fn becomes_the_probes_child() {
    common::opener::serve_if_child();
}
