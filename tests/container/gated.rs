//! A container of runc's whose program allows a few devices that it has no nodes of.

use devgate::container::{
    DevPath, Init, Made, MadeNode, NodeError, NodeSpec, Removed, make, remove,
};
use devgate::device::DeviceType;
use serde_json::Value;

use crate::common::engine::runc::{Runc, Running};

/// Denies all but the base devices, /dev/fuse, and reading of /dev/kmsg.
const RULES: &str = r#"[
    {"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
    {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}
]"#;

/// What the container is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// Its root is user 100000 on the host.
    UserNamespace,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Plain, Kind::UserNamespace];
}

/// A container under devgate's program.
pub fn runc(kind: Kind) -> Runc {
    let mut runc = Runc::new(RULES, &[]);
    if kind == Kind::UserNamespace {
        runc.map_users();
    }
    runc
}

/// A mount of its config, by its destination.
pub fn mount<'c>(config: &'c mut Value, destination: &str) -> &'c mut Value {
    let mounts = config["mounts"].as_array_mut().expect("an array");
    let found = mounts.iter_mut().find(|mount| mount["destination"] == destination);
    found.expect("it is mounted")
}

pub fn fuse() -> NodeSpec {
    NodeSpec::new(DeviceType::Char, 10, 229).expect("a device of Linux")
}

pub fn kmsg() -> NodeSpec {
    NodeSpec::new(DeviceType::Char, 1, 11).expect("a device of Linux")
}

pub fn path(path: &str) -> DevPath {
    path.parse().expect("it is below /dev")
}

/// What a container's own processes see.
pub trait Hosted {
    fn init(&self) -> Init;
    fn shell_of_host(&self, script: &str) -> String;

    fn try_make(&self, spec: &NodeSpec, at: &str) -> Result<Made, NodeError> {
        make(&self.init(), spec, &path(at))
    }

    /// Makes a node that was not there.
    #[track_caller]
    fn make(&self, spec: &NodeSpec, at: &str) -> MadeNode {
        match self.try_make(spec, at) {
            Ok(Made::New(node)) => node,
            other => panic!("{at}: {other:?}"),
        }
    }

    /// A node can't be made, with these words, and the container's /dev is as before.
    #[track_caller]
    fn cant_make(&self, spec: &NodeSpec, at: &str, why: &str) {
        let before = self.files();
        let error = self.try_make(spec, at).expect_err("it can't be made");
        let mut chain = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            chain = format!("{chain}: {source}");
        }
        assert!(chain.contains(why), "{chain}");
        assert_eq!(self.files(), before);
    }

    fn remove(&self, node: &MadeNode) -> Removed {
        remove(&self.init(), node).expect("it can be removed")
    }

    /// What is in its /dev, and what is mounted there.
    fn files(&self) -> String {
        self.shell_of_host(
            "busybox find /dev/ -xdev | busybox sort; busybox grep ' /dev' /proc/self/mounts",
        )
    }
}

impl Hosted for Running<'_> {
    fn init(&self) -> Init {
        Init::pin(self.pid()).expect("the container runs")
    }

    fn shell_of_host(&self, script: &str) -> String {
        Running::shell_of_host(self, script)
    }
}
