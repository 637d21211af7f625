//! DESIGN.md 2.3: type `a` and wildcards, alone, with holes and across each other.

use super::By::Rule;
use super::Row;

const HOLE: &[&str] = &["allow c 10:* rw", "deny c 10:229 rw"];
const HOLE_IN_ALL: &[&str] = &["allow a *:* rwm", "deny b 8:* rwm", "allow b 8:1 r"];
const CROSS: &[&str] = &["allow c *:3 rw", "deny c 5:* w", "allow c 1:3 m"];
const CROSS_LATER: &[&str] = &["deny c 5:* w", "allow c *:3 rw"];
const TYPE_A: &[&str] = &["allow a 1:3 r"];
const MOSTLY: &[&str] = &["allow a *:* rwm", "deny a *:* rw"];
const MINOR_OF_ALL: &[&str] = &["allow a *:7 rw"];

pub(super) const ROWS: &[Row] = &[
    Row::allows("allow everything: char", &["allow a *:* rwm"], "c 10:229 rwm"),
    Row::allows("allow everything: block", &["allow a *:* rwm"], "b 259:1 rwm"),
    Row::allows("allow everything: no bit wanted", &["allow a *:* rwm"], "b 7:0 -"),
    Row::allows("c *:* is every char device", &["allow c *:* rwm"], "c 10:200 rw"),
    Row::denies("c *:* is no block device", &["allow c *:* rwm"], "b 7:0 r"),
    Row::denies("b *:* is no char device", &["allow b *:* rwm"], "c 1:3 r"),
    Row::allows("M:* is every minor", &["allow c 136:* rwm"], "c 136:1048575 rw"),
    Row::denies("M:* is one major", &["allow c 136:* rwm"], "c 137:0 rw"),
    Row::allows("*:n is every major", MINOR_OF_ALL, "c 1:7 rw").by(&[("r", Rule(0))]),
    Row::allows("*:n is every major of both types", MINOR_OF_ALL, "b 4095:7 rw"),
    Row::denies("*:n is one minor", MINOR_OF_ALL, "c 1:8 rw"),
    Row::allows("a hole in M:*: beside it", HOLE, "c 10:228 rw").by(&[("w", Rule(0))]),
    Row::denies("a hole in M:*: in it", HOLE, "c 10:229 r").by(&[("r", Rule(1))]),
    Row::allows("a hole in M:*: behind it", HOLE, "c 10:230 rw"),
    Row::denies("a hole in everything: in it", HOLE_IN_ALL, "b 8:0 r").by(&[("r", Rule(1))]),
    Row::allows("a hole in everything: what was put back", HOLE_IN_ALL, "b 8:1 r"),
    Row::denies("a hole in everything: what was not put back", HOLE_IN_ALL, "b 8:1 rw"),
    Row::allows("a hole in everything: outside", HOLE_IN_ALL, "b 7:0 rwm"),
    Row::allows("a hole in everything: of one type", HOLE_IN_ALL, "c 8:0 rwm"),
    Row::denies("*:n and M:* cross: the later M:*", CROSS, "c 5:3 w").by(&[("w", Rule(1))]),
    Row::allows("*:n and M:* cross: the bit that M:* leaves", CROSS, "c 5:3 r")
        .by(&[("r", Rule(0))]),
    Row::allows("*:n and an exact rule add up", CROSS, "c 1:3 rwm")
        .by(&[("r", Rule(0)), ("m", Rule(2))]),
    Row::denies("*:n and an exact rule add up there only", CROSS, "c 10:3 rwm"),
    Row::allows("*:n and M:* cross: the later *:n", CROSS_LATER, "c 5:3 rw").by(&[("w", Rule(1))]),
    Row::denies("*:n and M:* cross: off the crossing", CROSS_LATER, "c 5:2 w"),
    Row::allows("type a with numbers: char", TYPE_A, "c 1:3 r"),
    Row::allows("type a with numbers: block", TYPE_A, "b 1:3 r"),
    Row::denies("type a with numbers: other numbers", TYPE_A, "c 1:5 r"),
    Row::denies("type a with numbers: other bits", TYPE_A, "c 1:3 rw"),
    Row::allows(
        "a deny of type a with numbers is no deny of everything",
        &["allow a *:* rwm", "deny a 1:3 rwm"],
        "c 1:5 rwm",
    ),
    Row::denies(
        "a deny of type a with numbers counts for both types",
        &["allow a *:* rwm", "deny a 1:3 rwm"],
        "b 1:3 m",
    ),
    Row::allows("deny a *:* rw leaves mknod", MOSTLY, "c 1:3 m").by(&[("m", Rule(0))]),
    Row::denies("deny a *:* rw takes r and w", MOSTLY, "c 1:3 rm").by(&[("r", Rule(1))]),
];
