//! Why a policy is not in force after some events. An outcome that has no reason here fails the
//! test, and so does a reason that no outcome needs.

use crate::engines::Engine;
use crate::events::{Act, Event};
use crate::outcome::Outcome;
use crate::runtime::Runtime;

pub struct Reason {
    /// For the page.
    pub text: &'static str,
    outcome: Outcome,
    /// Whether it holds with the guard, too.
    with_guard: bool,
    applies: fn(&Engine, &Event) -> bool,
}

pub const REASONS: &[Reason] = &[
    Reason {
        text: "crun's update attaches crun's own program again. devgate's program stays, because a \
               link holds it, so nothing is allowed that the policy denies. But what crun's \
               program denies is denied: crun reads the rules in another way, or the update has \
               other rules. The guard takes that program off.",
        outcome: Outcome::Narrower,
        with_guard: false,
        applies: |engine, event| {
            engine.runtime == Runtime::Crun
                && matches!(
                    event.act,
                    Act::Podman(_) | Act::Podman5(_) | Act::Update(_) | Act::CriUpdate
                )
        },
    },
    Reason {
        text: "Somebody asked systemd to limit the unit's devices, and systemd attached a program \
               for that. The guard takes it off.",
        outcome: Outcome::Narrower,
        with_guard: false,
        applies: |_, event| event.name == "DeviceAllow= on the unit",
    },
    Reason {
        text: "crun runs no hook when it restores a container, so that has crun's program. The \
               guard finds such a container. For 3 s after the container has appeared the guard \
               leaves it to a hook, then it puts the policy of config.json in force.",
        outcome: Outcome::Lost,
        with_guard: false,
        applies: |engine, event| {
            engine.runtime == Runtime::Crun && matches!(event.act, Act::Restore)
        },
    },
];

/// The number of the reason for this outcome.
pub fn number(engine: &Engine, event: &Event, outcome: Outcome, guarded: bool) -> Option<usize> {
    let place = REASONS.iter().position(|reason| {
        reason.outcome == outcome
            && (!guarded || reason.with_guard)
            && (reason.applies)(engine, event)
    });
    place.map(|place| place + 1)
}
