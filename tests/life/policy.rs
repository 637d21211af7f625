//! The four policies, each of one container.

/// What a container is to have.
pub struct Policy {
    pub name: &'static str,
    /// Options of `podman run` that ask for it.
    pub podman: &'static [&'static str],
    /// `linux.resources.devices` after the one that an engine writes for a plain container, or
    /// in its place.
    pub rules: Rules,
}

/// Device rules as JSON.
#[derive(Clone, Copy)]
pub enum Rules {
    /// The engine's own.
    Plain,
    /// The engine's own, then these.
    More(&'static str),
    /// These alone, which no engine has options for.
    Only(&'static str),
}

pub const POLICIES: [Policy; 4] = [
    Policy { name: "default", podman: &[], rules: Rules::Plain },
    Policy {
        name: "one device",
        podman: &["--device-cgroup-rule=c 10:229 rwm"],
        rules: Rules::More(r#"{"allow":true,"type":"c","major":10,"minor":229,"access":"rwm"}"#),
    },
    Policy {
        name: "all but a write",
        podman: &["--privileged"],
        rules: Rules::Only(
            r#"{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":10,"minor":229,"access":"w"}"#,
        ),
    },
    Policy {
        name: "read, write",
        podman: &["--device-cgroup-rule=c 10:229 r", "--device-cgroup-rule=c 10:229 w"],
        rules: Rules::More(
            r#"{"allow":true,"type":"c","major":10,"minor":229,"access":"r"},{"allow":true,"type":"c","major":10,"minor":229,"access":"w"}"#,
        ),
    },
];
