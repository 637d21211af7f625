//! DESIGN.md 2.1 and 2.2: each bit by its last rule, all wanted bits, the empty request.

use super::By::{Nobody, Rule};
use super::Row;

const READ_KMSG: &[&str] = &["allow a *:* rwm", "deny c 1:11 w"];
const KMSG_MKNOD_AGAIN: &[&str] = &["allow a *:* rwm", "deny c 1:11 wm", "allow c 1:11 m"];
const BIT_BY_BIT: &[&str] = &["allow c 1:3 r", "allow c 1:3 w"];
const BACK_AND_FORTH: &[&str] = &["allow c 1:3 rw", "deny c 1:3 w", "allow c 1:3 w"];
const ONLY_MKNOD: &[&str] = &["allow c 1:3 m"];

pub(super) const ROWS: &[Row] = &[
    Row::denies("no rule at all", &[], "c 1:3 r").by(&[("r", Nobody)]),
    Row::denies("no rule at all, no bit wanted", &[], "c 1:3 -"),
    Row::denies("no rule at all, block", &[], "b 8:0 m"),
    Row::allows("one rule", &["allow c 1:3 rwm"], "c 1:3 rwm").by(&[("m", Rule(0))]),
    Row::denies("one rule, another minor", &["allow c 1:3 rwm"], "c 1:5 r"),
    Row::denies("one rule, another major", &["allow c 1:3 rwm"], "c 5:3 r"),
    Row::denies("one rule, the other type", &["allow c 1:3 rwm"], "b 1:3 r"),
    Row::denies("major and minor the wrong way round", &["allow c 1:5 rwm"], "c 5:1 r"),
    Row::allows("write denied: O_RDONLY", READ_KMSG, "c 1:11 r").by(&[("r", Rule(0))]),
    Row::denies("write denied: O_WRONLY", READ_KMSG, "c 1:11 w").by(&[("w", Rule(1))]),
    Row::denies("write denied: O_RDWR is no way round", READ_KMSG, "c 1:11 rw")
        .by(&[("r", Rule(0)), ("w", Rule(1))]),
    Row::allows("write denied: mknod", READ_KMSG, "c 1:11 m"),
    Row::denies("write denied: all three bits", READ_KMSG, "c 1:11 rwm"),
    Row::allows("write denied: the device's neighbour", READ_KMSG, "c 1:10 rw"),
    Row::allows("write denied: block of the same numbers", READ_KMSG, "b 1:11 rw"),
    Row::allows("mknod given back", KMSG_MKNOD_AGAIN, "c 1:11 rm").by(&[("m", Rule(2))]),
    Row::denies("mknod given back, not write", KMSG_MKNOD_AGAIN, "c 1:11 wm")
        .by(&[("w", Rule(1)), ("m", Rule(2))]),
    Row::allows("r and w by two rules: O_RDWR", BIT_BY_BIT, "c 1:3 rw").by(&[
        ("r", Rule(0)),
        ("w", Rule(1)),
        ("m", Nobody),
    ]),
    Row::denies("r and w by two rules: not m", BIT_BY_BIT, "c 1:3 m").by(&[("m", Nobody)]),
    Row::denies("r and w by two rules: not all three", BIT_BY_BIT, "c 1:3 rwm"),
    Row::allows("the last rule wins", BACK_AND_FORTH, "c 1:3 rw")
        .by(&[("r", Rule(0)), ("w", Rule(2))]),
    Row::allows("deny, then allow", &["deny c 1:3 rwm", "allow c 1:3 r"], "c 1:3 r"),
    Row::denies("allow, then deny", &["allow c 1:3 rwm", "deny c 1:3 r"], "c 1:3 r"),
    Row::denies(
        "a later deny of everything",
        &["allow c 1:3 rwm", "allow c 1:5 rwm", "deny a *:* rwm"],
        "c 1:3 r",
    )
    .by(&[("r", Rule(2))]),
    Row::denies(
        "a later deny of everything, no bit wanted",
        &["allow c 1:3 rwm", "deny a *:* rwm"],
        "c 1:3 -",
    ),
    Row::allows("a later deny of every w", &["allow c 1:3 rwm", "deny a *:* w"], "c 1:3 rm"),
    Row::allows("a rule again after a deny", &["deny a *:* rwm", "allow c 1:7 w"], "c 1:7 w"),
    Row::allows("no bit wanted: only mknod is allowed", ONLY_MKNOD, "c 1:3 -"),
    Row::denies("no bit wanted: of the neighbour none is allowed", ONLY_MKNOD, "c 1:5 -"),
    Row::denies("no bit wanted: of the other type none is", ONLY_MKNOD, "b 1:3 -"),
    Row::allows("no bit wanted: one of three is left", READ_KMSG, "c 1:11 -"),
    Row::denies(
        "no bit wanted: bit after bit denied",
        &["allow c 1:3 rwm", "deny c 1:3 r", "deny c 1:3 w", "deny c 1:3 m"],
        "c 1:3 -",
    ),
];
