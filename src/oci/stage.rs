//! When a runtime calls a hook (runtime-spec, "Lifecycle").

use std::fmt;

/// A stage at which devgate's hook has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the container's process starts.
    CreateRuntime,
    /// After the container was deleted.
    Poststop,
}

impl Stage {
    /// Both, in the order of a container's life.
    pub const ALL: [Stage; 2] = [Stage::CreateRuntime, Stage::Poststop];

    /// Its name in the runtime-spec.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::CreateRuntime => "createRuntime",
            Stage::Poststop => "poststop",
        }
    }

    /// The stage with this name.
    pub fn named(name: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
