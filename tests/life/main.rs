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
mod kills;
mod machine;
mod outcome;
mod page;
mod pod;
mod policy;
mod prober;
mod reasons;
mod run;
mod runtime;

use std::io::{self, Write as _};

use common::engine::host::Debian;
use common::systemd;
use engine::Running;
use engines::ENGINES;
use event::happen;
use outcome::Outcome;

/// Whether all engines are there.
fn ready() -> bool {
    let programs = ["containerd", "crun", "runc", "cc"];
    Debian::Own.is_ready()
        && Debian::Trixie.is_ready()
        && systemd::ready()
        && programs.into_iter().all(common::engine::ready)
}

#[test]
fn the_policy_is_in_force_as_the_page_says() {
    if ready() {
        let page = page::page(&run::all());
        // Not held back by the test harness.
        let _ = writeln!(io::stderr(), "{page}");
        page::compare(&page);
    }
}

/// For `make life`: what comes out is the same each time.
#[test]
#[ignore = "it takes minutes"]
fn it_is_so_again_and_again() {
    let rounds =
        std::env::var("DEVGATE_LIFE_ROUNDS").map_or(3, |text| text.parse().expect("a number"));
    assert!(ready());
    for round in 1..=rounds {
        println!("round {round}");
        page::compare(&page::page(&run::all()));
    }
}

/// The test can fail: without a link and the unit's settings, crun's update takes devgate's program
/// off.
#[test]
fn without_a_link_an_update_by_crun_is_seen_to_lose_the_policy() {
    if !ready() {
        return;
    }
    let engine = ENGINES.iter().find(|engine| engine.text.contains("crun 1.21, cgroupfs"));
    let mut running = Running::new(engine.expect("there is one"), &["--hold", "no"]);
    let containers = [0, 1, 2, 3].map(|policy| running.start(policy));
    assert_eq!(run::look_at_all("start", &running, &containers), [Outcome::Kept; 4]);
    let update = events::EVENTS.iter().find(|event| event.name.contains("--restart"));
    happen(&update.expect("there is one").act, &mut running, &containers).expect("it is done");
    let outcomes = run::look_at_all("update", &running, &containers);
    assert_eq!([0, 1, 3].map(|policy| outcomes[policy]), [Outcome::Lost; 3]);
}
