//! A container's life: what becomes of its policy when something happens to it, in real engines.
//!
//! Each engine runs a container of each policy. One event after another happens to all of them.
//! After each, `devgate check --diff` must find no difference, and the container's own opens must
//! be answered as the policy says. What comes out is a table, and the one in `docs/life.md` must
//! be that.

#[path = "../common/mod.rs"]
mod common;
#[path = "../containerd/cri/mod.rs"]
mod cri;
mod engine;
mod engines;
mod event;
mod events;
#[path = "../containerd/image.rs"]
mod image;
mod machine;
mod outcome;
mod page;
mod pod;
mod policy;
mod prober;
mod run;
mod runtime;

use common::require::bpf;

#[test]
fn every_event_leaves_the_policy_in_force() {
    if !bpf() {
        return;
    }
    let columns = run::all();
    let page = page::page(&columns);
    eprintln!("{page}");
    page::compare(&page);
}
