//! DESIGN.md 2.6: which devices come by default, and who wins over them.

use super::By::{Base, Nobody, Rule};
use super::Row;

/// What podman writes for a plain container.
const PODMAN: &[&str] = &["deny a *:* rwm"];
const NO_TUN: &[&str] = &["deny a *:* rwm", "deny c 10:200 rwm"];
const TWICE: &[&str] = &["deny a *:* rwm", "deny c 1:3 rwm", "deny a *:* -"];
const NO_DENY_OF_ALL: &[&str] = &["deny c 1:3 w", "allow b 8:0 r"];
const ALL_BUT_MKNOD: &[&str] = &["deny c 1:5 w", "deny a *:* rw"];
const ONLY_CHAR: &[&str] = &["deny c *:* rwm", "allow c 1:3 r"];
const LATE: &[&str] = &["allow c 10:229 rwm", "deny a *:* rwm"];
const NO_MKNOD: &[&str] = &["deny a *:* rwm", "deny a *:* m"];

pub(super) const ROWS: &[Row] = &[
    Row::allows("base: /dev/null", PODMAN, "c 1:3 rwm").base().by(&[("w", Base)]),
    Row::allows("base: /dev/zero", PODMAN, "c 1:5 rwm").base(),
    Row::allows("base: /dev/full", PODMAN, "c 1:7 rwm").base(),
    Row::allows("base: /dev/random", PODMAN, "c 1:8 rwm").base(),
    Row::allows("base: /dev/urandom", PODMAN, "c 1:9 rwm").base(),
    Row::allows("base: /dev/tty", PODMAN, "c 5:0 rwm").base(),
    Row::allows("base: /dev/ptmx", PODMAN, "c 5:2 rwm").base(),
    Row::allows("base: a pts", PODMAN, "c 136:5 rwm").base(),
    Row::allows("base: /dev/net/tun", PODMAN, "c 10:200 rwm").base(),
    Row::allows("base: any char device may be made", PODMAN, "c 10:229 m").base(),
    Row::allows("base: any block device may be made", PODMAN, "b 8:0 m").base(),
    Row::allows("base: so it answers F_OK", PODMAN, "b 8:0 -").base(),
    Row::denies("base: and not be opened", PODMAN, "b 8:0 r").base().by(&[("r", Rule(0))]),
    Row::denies("base: /dev/kmsg", PODMAN, "c 1:11 r").base(),
    Row::denies("base: /dev/console", PODMAN, "c 5:1 rw").base(),
    Row::denies("base: /dev/fuse", PODMAN, "c 10:229 rw").base(),
    Row::denies("base: the next major to the pts", PODMAN, "c 137:0 r").base(),
    Row::denies("base: null's numbers as a block device", PODMAN, "b 1:3 r").base(),
    Row::allows("base: without any rule", &[], "c 1:3 rw").base().by(&[("r", Base)]),
    Row::denies("base: without any rule, the rest", &[], "c 1:11 r").base().by(&[("r", Nobody)]),
    Row::denies("base: a later explicit deny wins", NO_TUN, "c 10:200 r")
        .base()
        .by(&[("r", Rule(1)), ("m", Rule(1))]),
    Row::allows("base: come after the LAST deny of everything", TWICE, "c 1:3 rw")
        .base()
        .by(&[("r", Base)]),
    Row::denies("base: come first without one", NO_DENY_OF_ALL, "c 1:3 rw")
        .base()
        .by(&[("r", Base), ("w", Rule(0))]),
    Row::denies("base: a deny of every r and w is not one", ALL_BUT_MKNOD, "c 1:7 r")
        .base()
        .by(&[("r", Rule(1)), ("m", Base)]),
    Row::denies("base: a deny of one type is not one", ONLY_CHAR, "c 1:5 r")
        .base()
        .by(&[("r", Rule(0))]),
    Row::allows("base: and what is allowed after it counts", ONLY_CHAR, "c 1:3 r")
        .base()
        .by(&[("r", Rule(1)), ("w", Rule(0))]),
    Row::denies("base: what was before the deny stays denied", LATE, "c 10:229 rw")
        .base()
        .by(&[("r", Rule(1)), ("m", Base)]),
    Row::denies("base: mknod taken away again", NO_MKNOD, "c 1:3 m")
        .base()
        .by(&[("m", Rule(1)), ("r", Base)]),
    Row::allows("append: wins over an explicit deny", NO_TUN, "c 10:200 rw")
        .append()
        .by(&[("r", Base)]),
    Row::allows("append: wins over a partial deny", NO_DENY_OF_ALL, "c 1:3 rw").append(),
    Row::allows("append: after a later deny of everything", LATE, "c 1:3 rw").append(),
    Row::allows("append: mknod comes back", NO_MKNOD, "c 1:3 m").append().by(&[("m", Base)]),
    Row::denies("append: grants no more than base", PODMAN, "c 1:11 r").append(),
    Row::denies("none: /dev/null", PODMAN, "c 1:3 r").by(&[("r", Rule(0))]),
    Row::denies("none: mknod", PODMAN, "c 1:3 m"),
    Row::denies("none: not even F_OK", PODMAN, "c 1:3 -"),
];
