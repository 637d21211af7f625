//! The kinds of containers, each with what its own system calls are answered and what devgate
//! shows for its cgroup.

use crate::common::engine::answers::Answer::{Passed, Refused};
use crate::common::engine::answers::Steps;
use crate::engine::{Asked, Device};

pub struct Kind {
    pub name: &'static str,
    pub asked: Asked,
    /// What an earlier hook does to config.json: a sed script.
    pub edit: Option<&'static str>,
    pub expected: Expected,
}

pub enum Expected {
    Runs {
        steps: &'static Steps,
        rules: Rules,
    },
    /// It must not start.
    Refused {
        /// In devgate's log.
        why: &'static str,
    },
}

/// What a container is allowed.
pub enum Rules {
    Everything,
    /// What a plain one is, and this.
    BaseAnd(&'static [&'static str]),
}

/// The base devices. m stands apart, as all nodes can be made.
pub const BASE: [&str; 10] = [
    "allow a *:* m",
    "allow c 1:3 rw",
    "allow c 1:5 rw",
    "allow c 1:7 rw",
    "allow c 1:8 rw",
    "allow c 1:9 rw",
    "allow c 5:0 rw",
    "allow c 5:2 rw",
    "allow c 10:200 rw",
    "allow c 136:* rw",
];

/// Nobody has a device of major 510.
pub const KINDS: [Kind; 5] = [
    Kind {
        name: "plain",
        asked: Asked::Nothing,
        edit: None,
        expected: Expected::Runs {
            steps: &[
                ("r /dev/null", Passed),
                ("w /dev/null", Passed),
                ("rw /dev/null", Passed),
                ("rw /dev/zero", Passed),
                ("rw /dev/full", Passed),
                ("r /dev/random", Passed),
                ("r /dev/urandom", Passed),
                ("r /dev/tty", Passed),
                ("rw /dev/ptmx", Passed),
                ("m /dev/fuse2 c 10 229", Passed),
                ("r /dev/fuse2", Refused),
                ("w /dev/fuse2", Refused),
                ("rw /dev/fuse2", Refused),
                ("m /dev/block b 510 7", Passed),
                ("r /dev/block", Refused),
            ],
            rules: Rules::BaseAnd(&[]),
        },
    },
    Kind {
        name: "devices",
        asked: Asked::Devices(&[
            Device { numbers: ["c", "510", "7"], path: "/dev/given", access: "rwm" },
            Device { numbers: ["c", "510", "8"], path: "/dev/readable", access: "r" },
        ]),
        edit: None,
        expected: Expected::Runs {
            steps: &[
                ("r /dev/given", Passed),
                ("w /dev/given", Passed),
                ("rw /dev/given", Passed),
                ("r /dev/readable", Passed),
                ("w /dev/readable", Refused),
                ("rw /dev/readable", Refused),
                ("m /dev/fuse2 c 10 229", Passed),
                ("r /dev/fuse2", Refused),
            ],
            rules: Rules::BaseAnd(&["allow c 510:7 rw", "allow c 510:8 r"]),
        },
    },
    Kind {
        name: "rules, and one that denies to write",
        asked: Asked::Rules(&["c 10:229 r", "c 510:* rw", "b 510:7 rw"]),
        // Behind all others. No engine has an option for it.
        edit: Some(
            r#"s/"resources":{"devices":\[[^]]*/&,{"allow":false,"type":"c","major":510,"minor":8,"access":"w"}/"#,
        ),
        expected: Expected::Runs {
            steps: &[
                ("rw /dev/null", Passed),
                ("m /dev/fuse2 c 10 229", Passed),
                ("r /dev/fuse2", Passed),
                ("w /dev/fuse2", Refused),
                ("rw /dev/fuse2", Refused),
                ("m /dev/seven c 510 7", Passed),
                ("rw /dev/seven", Passed),
                ("m /dev/eight c 510 8", Passed),
                ("r /dev/eight", Passed),
                ("w /dev/eight", Refused),
                ("rw /dev/eight", Refused),
                ("m /dev/block b 510 7", Passed),
                ("rw /dev/block", Passed),
                ("m /dev/other b 510 8", Passed),
                ("r /dev/other", Refused),
            ],
            rules: Rules::BaseAnd(&[
                "allow c 10:229 r",
                "allow c 510:* rw",
                "deny c 510:8 w",
                "allow b 510:7 rw",
            ]),
        },
    },
    Kind {
        name: "privileged",
        asked: Asked::Everything,
        edit: None,
        expected: Expected::Runs {
            steps: &[
                ("rw /dev/null", Passed),
                ("m /dev/fuse2 c 10 229", Passed),
                ("rw /dev/fuse2", Passed),
                ("m /dev/other c 510 7", Passed),
                ("rw /dev/other", Passed),
                ("m /dev/block b 510 7", Passed),
                ("rw /dev/block", Passed),
            ],
            rules: Rules::Everything,
        },
    },
    Kind {
        name: "one whose config.json is malformed",
        asked: Asked::Nothing,
        edit: Some(r#"s/"allow":false/"allow":0/"#),
        expected: Expected::Refused { why: "linux.resources.devices[0].allow: " },
    },
];
