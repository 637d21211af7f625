//! Options with a few values.

use clap::ValueEnum;
use devgate::guard::Found;
use devgate::hold::HoldMode;
use devgate::hook::{LogFormat, Rootless};
use devgate::install::{Engine, Major};
use devgate::kernel::{OverrideAncestor, RetvalPrograms, Stale};
use devgate::oci::Stage;
use devgate::policy::DefaultDevices;
use devgate::unit::UnitMode;

/// Where the base rules (/dev/null and its like) go
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DefaultDevicesMode {
    /// Behind the last rule that denies everything: explicit rules win
    #[default]
    Base,
    /// Behind all rules, as runc and crun do: they win over explicit rules
    Append,
    /// Nowhere
    None,
}

impl From<DefaultDevicesMode> for DefaultDevices {
    fn from(mode: DefaultDevicesMode) -> DefaultDevices {
        match mode {
            DefaultDevicesMode::Base => DefaultDevices::Base,
            DefaultDevicesMode::Append => DefaultDevices::Append,
            DefaultDevicesMode::None => DefaultDevices::None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StaleMode {
    /// Every other program attached directly to the cgroup
    #[default]
    All,
    /// Programs named devgate
    Own,
    /// None
    None,
}

impl From<StaleMode> for Stale {
    fn from(mode: StaleMode) -> Stale {
        match mode {
            StaleMode::All => Stale::All,
            StaleMode::Own => Stale::Own,
            StaleMode::None => Stale::None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OverrideAncestorMode {
    /// Fail: the cgroup might be allowed more than before
    #[default]
    Refuse,
    /// Attach the new program, and warn
    Replace,
}

impl From<OverrideAncestorMode> for OverrideAncestor {
    fn from(mode: OverrideAncestorMode) -> OverrideAncestor {
        match mode {
            OverrideAncestorMode::Refuse => OverrideAncestor::Refuse,
            OverrideAncestorMode::Replace => OverrideAncestor::Replace,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum HoldModeArg {
    /// Where there can be a link; otherwise warn
    #[default]
    Try,
    /// Always; otherwise fail
    Require,
    /// Never
    No,
}

impl From<HoldModeArg> for HoldMode {
    fn from(mode: HoldModeArg) -> HoldMode {
        match mode {
            HoldModeArg::Try => HoldMode::Try,
            HoldModeArg::Require => HoldMode::Require,
            HoldModeArg::No => HoldMode::No,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum UnitModeArg {
    /// Make the policy its only gate where that is possible; otherwise warn
    #[default]
    Try,
    /// Make the policy its only gate; otherwise fail
    Require,
    /// Leave it as it is
    No,
}

impl From<UnitModeArg> for UnitMode {
    fn from(mode: UnitModeArg) -> UnitMode {
        match mode {
            UnitModeArg::Try => UnitMode::Try,
            UnitModeArg::Require => UnitMode::Require,
            UnitModeArg::No => UnitMode::No,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RetvalProgramsMode {
    /// Fail: a device that is denied might open
    #[default]
    Refuse,
    /// Let such programs run
    Allow,
}

impl From<RetvalProgramsMode> for RetvalPrograms {
    fn from(mode: RetvalProgramsMode) -> RetvalPrograms {
        match mode {
            RetvalProgramsMode::Refuse => RetvalPrograms::Refuse,
            RetvalProgramsMode::Allow => RetvalPrograms::Allow,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageMode {
    /// Before the container's process starts: enforce its rules
    #[value(name = Stage::CreateRuntime.name())]
    CreateRuntime,
    /// After the container was deleted: remove what is kept for it
    #[value(name = Stage::Poststop.name())]
    Poststop,
}

impl From<StageMode> for Stage {
    fn from(mode: StageMode) -> Stage {
        match mode {
            StageMode::CreateRuntime => Stage::CreateRuntime,
            StageMode::Poststop => Stage::Poststop,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RootlessMode {
    /// Warn, and let the container start without a program of ours
    #[default]
    Warn,
    /// Fail, so that the container does not start
    Fail,
}

impl From<RootlessMode> for Rootless {
    fn from(mode: RootlessMode) -> Rootless {
        match mode {
            RootlessMode::Warn => Rootless::Warn,
            RootlessMode::Fail => Rootless::Fail,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormatMode {
    /// key=value
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

impl From<LogFormatMode> for LogFormat {
    fn from(mode: LogFormatMode) -> LogFormat {
        match mode {
            LogFormatMode::Text => LogFormat::Text,
            LogFormatMode::Json => LogFormat::Json,
        }
    }
}

/// Which containers without a record get their policy
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FoundMode {
    /// Those whose config.json has devgate's hook, with that hook's options
    #[default]
    Hooked,
    /// All; those without the hook in config.json get the options given here
    All,
    /// None
    None,
}

impl From<FoundMode> for Found {
    fn from(mode: FoundMode) -> Found {
        match mode {
            FoundMode::Hooked => Found::Hooked,
            FoundMode::All => Found::All,
            FoundMode::None => Found::None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CompileFormat {
    /// A commented listing
    #[default]
    Text,
    /// A JSON object: instructions, longest_path, bytes (base64), rules
    Json,
    /// The instructions' bytes
    Raw,
}

/// Those with a program of their own
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InstalledEngine {
    Podman,
    Crio,
    Nri,
    Containerd,
}

impl From<InstalledEngine> for Engine {
    fn from(name: InstalledEngine) -> Engine {
        match name {
            InstalledEngine::Podman => Engine::Podman,
            InstalledEngine::Crio => Engine::Crio,
            InstalledEngine::Nri => Engine::Nri,
            InstalledEngine::Containerd => Engine::Containerd,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    Podman,
    Crio,
    Nri,
    Containerd,
    Cdi,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Engine {
        match name {
            EngineName::Podman => Engine::Podman,
            EngineName::Crio => Engine::Crio,
            EngineName::Nri => Engine::Nri,
            EngineName::Containerd => Engine::Containerd,
            EngineName::Cdi => Engine::Cdi,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ContainerdMajor {
    /// containerd 1.x
    #[value(name = "1")]
    One,
    /// containerd 2.x
    #[value(name = "2")]
    Two,
}

impl From<ContainerdMajor> for Major {
    fn from(name: ContainerdMajor) -> Major {
        match name {
            ContainerdMajor::One => Major::One,
            ContainerdMajor::Two => Major::Two,
        }
    }
}
