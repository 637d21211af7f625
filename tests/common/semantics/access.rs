//! DESIGN.md 2.4: access absent or empty denies everything, and grants nothing.

use super::By::{Nobody, Rule};
use super::Row;

const DENIES_ALL: &[&str] = &["allow a *:* rwm", "deny c 1:3 -"];
const GRANTS_NOTHING: &[&str] = &["allow c 1:3 -"];
const CHANGES_NOTHING: &[&str] = &["allow c 1:3 r", "allow c 1:3 -"];

pub(super) const ROWS: &[Row] = &[
    Row::denies("deny without access: r", DENIES_ALL, "c 1:3 r").by(&[("r", Rule(1))]),
    Row::denies("deny without access: w", DENIES_ALL, "c 1:3 w").by(&[("w", Rule(1))]),
    Row::denies("deny without access: m", DENIES_ALL, "c 1:3 m").by(&[("m", Rule(1))]),
    Row::denies("deny without access: no bit wanted", DENIES_ALL, "c 1:3 -"),
    Row::allows("deny without access: another device", DENIES_ALL, "c 1:5 rwm"),
    Row::denies("allow without access: r", GRANTS_NOTHING, "c 1:3 r").by(&[("r", Nobody)]),
    Row::denies("allow without access: no bit wanted", GRANTS_NOTHING, "c 1:3 -"),
    Row::allows("allow without access takes nothing away", CHANGES_NOTHING, "c 1:3 r")
        .by(&[("r", Rule(0)), ("w", Nobody)]),
    Row::denies("allow without access adds nothing", CHANGES_NOTHING, "c 1:3 w"),
    Row::denies(
        "allow without access is no later match",
        &["deny c 1:3 w", "allow c 1:3 -"],
        "c 1:3 w",
    )
    .by(&[("w", Rule(0))]),
    Row::denies(
        "deny of everything without access",
        &["allow a *:* rwm", "deny a *:* -"],
        "c 1:3 r",
    ),
    Row::denies("allow of everything without access", &["allow a *:* -"], "c 1:3 -"),
];
