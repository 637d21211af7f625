//! What containers are asked for, and what they may then do.

use crate::common::engine::answers::Answer::{Passed, Refused};
use crate::common::engine::answers::Steps;

/// What is asked for besides the base devices.
pub enum Asked {
    Nothing,
    /// c 510:7, which nobody has, as /dev/given, with these permissions.
    Device(&'static str),
    /// Device rules, as JSON.
    Rules(&'static str),
    Everything,
}

pub struct Kind {
    pub name: &'static str,
    pub asked: Asked,
    pub steps: &'static Steps,
    effective: &'static [&'static [&'static str]],
}

impl Kind {
    /// The rules in effect, in order of their texts.
    pub fn effective(&self) -> Vec<&'static str> {
        let mut rules = self.effective.concat();
        rules.sort_unstable();
        rules
    }
}

/// The base devices.
const BASE: &[&str] = &[
    "allow a *:* m",
    "allow c 1:3 rw",
    "allow c 1:5 rw",
    "allow c 1:8 rw",
    "allow c 1:9 rw",
    "allow c 5:0 rw",
    "allow c 5:2 rw",
    "allow c 136:* rw",
];

/// Base devices too, which [`RULE_LIST`] speaks of.
const SPOKEN_OF: &[&str] = &["allow c 1:7 rw", "allow c 10:200 rw"];

/// What becomes of them.
const LISTED: &[&str] = &["allow c 1:7 r", "allow c 10:229 r"];

const GIVEN: &[&str] = &["allow c 510:7 r"];

/// A write-deny and a deny of a base device among others.
const RULE_LIST: &str = r#"[
    {"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 1, "minor": 7, "access": "rwm"},
    {"allow": false, "type": "c", "major": 1, "minor": 7, "access": "w"},
    {"allow": false, "type": "c", "major": 10, "minor": 200, "access": "rw"},
    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}
]"#;

pub const PLAIN: Kind = Kind {
    name: "plain",
    asked: Asked::Nothing,
    steps: &[
        ("rw /dev/null", Passed),
        ("rw /dev/zero", Passed),
        ("rw /dev/full", Passed),
        ("r /dev/urandom", Passed),
        ("r /dev/tty", Passed),
        ("m /dev/fuse2 c 10 229", Passed),
        ("r /dev/fuse2", Refused),
        ("w /dev/fuse2", Refused),
        ("m /dev/blk b 510 7", Passed),
        ("r /dev/blk", Refused),
    ],
    effective: &[BASE, SPOKEN_OF],
};

pub const DEVICE: Kind = Kind {
    name: "device",
    asked: Asked::Device("r"),
    steps: &[
        ("rw /dev/null", Passed),
        ("r /dev/given", Passed),
        ("w /dev/given", Refused),
        ("rw /dev/given", Refused),
        ("m /dev/fuse2 c 10 229", Passed),
        ("r /dev/fuse2", Refused),
    ],
    effective: &[BASE, SPOKEN_OF, GIVEN],
};

pub const RULES: Kind = Kind {
    name: "rules",
    asked: Asked::Rules(RULE_LIST),
    steps: &[
        ("rw /dev/null", Passed),
        ("r /dev/full", Passed),
        ("w /dev/full", Refused),
        ("rw /dev/full", Refused),
        ("m /dev/fuse2 c 10 229", Passed),
        ("r /dev/fuse2", Passed),
        ("rw /dev/fuse2", Refused),
        ("m /dev/tun c 10 200", Passed),
        ("r /dev/tun", Refused),
    ],
    effective: &[BASE, LISTED],
};

/// A device where the rules are those of a base spec.
pub const DEVICE_AND_RULES: Kind = Kind {
    name: "device and rules",
    asked: Asked::Device("r"),
    steps: &[
        ("r /dev/given", Passed),
        ("w /dev/given", Refused),
        ("r /dev/full", Passed),
        ("w /dev/full", Refused),
    ],
    effective: &[BASE, LISTED, GIVEN],
};

pub const PRIVILEGED: Kind = Kind {
    name: "privileged",
    asked: Asked::Everything,
    steps: &[
        ("rw /dev/null", Passed),
        ("m /dev/other c 510 7", Passed),
        ("rw /dev/other", Passed),
        ("m /dev/blk b 510 7", Passed),
        ("rw /dev/blk", Passed),
    ],
    effective: &[&["allow a *:* rwm"]],
};

/// What a container's spec can ask for.
pub const OF_SPECS: &[Kind] = &[PLAIN, DEVICE, RULES, PRIVILEGED];

/// What a pod can ask for: CRI has no device rules.
pub const OF_PODS: &[Kind] = &[PLAIN, DEVICE, PRIVILEGED];

/// Permissions that engines hand on and devgate refuses, with what it says.
pub const UNKNOWN_PERMISSION: Asked = Asked::Device("rx");
pub const COMPLAINT: &str = ".access: unknown access letter 'x'";
