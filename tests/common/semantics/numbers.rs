//! DESIGN.md 2.5: every number of 32 bits is a number of its own, those that no Linux device
//! has included.

use super::By::Rule;
use super::Row;

const BEYOND_MAJOR: &[&str] = &["deny a *:* rwm", "allow c 4096:0 rwm"];
const BEYOND_MINOR: &[&str] = &["deny a *:* rwm", "allow c 1:1048579 rwm"];
const SIGN: &[&str] = &["allow c 2147483648:3 rwm", "allow c 1:2147483648 rwm"];
const LAST: &[&str] = &["allow c 4294967295:4294967295 rwm"];
const RUN: &[&str] = &[
    "allow b 8:0 rw",
    "allow b 8:1 rw",
    "allow b 8:2 rw",
    "allow b 8:3 rw",
    "allow b 8:5 rw",
    "allow b 8:6 rw",
];

pub(super) const ROWS: &[Row] = &[
    Row::allows("number 0", &["allow c 0:0 r"], "c 0:0 r"),
    Row::denies("number 0 is not every major", &["allow c 0:0 r"], "c 1:0 r"),
    Row::denies("number 0 is not every minor", &["allow c 0:0 r"], "c 0:1 r"),
    Row::allows("major 0 of a wildcard", &["allow c *:3 r"], "c 0:3 r"),
    Row::allows("minor 0 of a wildcard", &["allow c 5:* r"], "c 5:0 r"),
    Row::allows("2^31-1", &["allow c 2147483647:2147483647 r"], "c 2147483647:2147483647 r"),
    Row::denies("2^31-1 and the next", &["allow c 1:2147483647 r"], "c 1:2147483648 r"),
    Row::allows("major 2^31 is not sign-extended", SIGN, "c 2147483648:3 r").by(&[("r", Rule(0))]),
    Row::allows("minor 2^31 is not sign-extended", SIGN, "c 1:2147483648 r").by(&[("r", Rule(1))]),
    Row::denies("2^31 is not 0", SIGN, "c 0:3 r"),
    Row::denies("2^31 and the one before", SIGN, "c 1:2147483647 r"),
    Row::allows("2^32-1", LAST, "c 4294967295:4294967295 rwm"),
    Row::denies("2^32-1 is no wildcard for majors", LAST, "c 1:4294967295 r"),
    Row::denies("2^32-1 is no wildcard for minors", LAST, "c 4294967295:3 r"),
    Row::denies("2^32-1 and the one before", LAST, "c 4294967295:4294967294 r"),
    Row::denies("major beyond 12 bits does not wrap to 0", BEYOND_MAJOR, "c 0:0 r"),
    Row::allows("major beyond 12 bits is itself", BEYOND_MAJOR, "c 4096:0 r"),
    Row::denies("minor beyond 20 bits does not wrap to 3", BEYOND_MINOR, "c 1:3 r"),
    Row::allows("minor beyond 20 bits is itself", BEYOND_MINOR, "c 1:1048579 r"),
    Row::denies("minor beyond 20 bits does not reach the major", BEYOND_MINOR, "c 2:3 r"),
    Row::allows("the last Linux device", &["allow c 4095:1048575 m"], "c 4095:1048575 m"),
    Row::allows("a run: its first", RUN, "b 8:0 rw"),
    Row::allows("a run: its last", RUN, "b 8:6 rw"),
    Row::denies("a run: its hole", RUN, "b 8:4 r"),
    Row::denies("a run: past its end", RUN, "b 8:7 r"),
    Row::denies("a run: the same bit of the next word", RUN, "b 8:34 r"),
    Row::denies("a run: a bit that none has", RUN, "b 8:3 m"),
];
