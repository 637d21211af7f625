//! The settings of a unit that make systemd attach device programs to its cgroup
//! (systemd.resource-control(5)).

use zbus::{Variant, fdo};

use super::bus::{Asked, Systemd};
use super::error::UnitError;

/// DevicePolicy= and DeviceAllow=.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceSettings {
    /// `auto`, `closed` or `strict`.
    policy: String,
    /// A device's path or group, and its access.
    allow: Vec<(String, String)>,
}

impl DeviceSettings {
    /// Those of a unit for which systemd has no device program.
    pub(super) fn none() -> DeviceSettings {
        DeviceSettings { policy: "auto".to_owned(), allow: Vec::new() }
    }

    /// Gives a unit these settings for as long as it runs.
    pub(super) async fn set(&self, systemd: &Systemd, unit: &str) -> Result<(), UnitError> {
        let properties = [
            ("DevicePolicy", Variant::from(self.policy.as_str())),
            // An empty list clears the setting, and any other is added to it.
            ("DeviceAllow", Variant::from(self.allow.clone())),
        ];
        let set = systemd.set_properties(unit, &properties).await;
        set.map_err(|source| failed(unit, "SetUnitProperties", source))
    }
}

/// What systemd has of a unit. A name that it does not know is a unit without a cgroup.
pub(super) struct State {
    /// Its cgroup's path, as systemd's /proc/PID/cgroup has it; empty if it has none.
    pub control_group: String,
    /// Whether it was made by a call, as runtimes do, and not from a file.
    pub transient: bool,
    /// Its device settings.
    pub settings: DeviceSettings,
    /// BPFProgram=: types and the paths of pins. systemd has it since version 249.
    pub programs: Vec<(String, String)>,
}

impl State {
    /// That of the unit with this name.
    pub(super) async fn of(systemd: &Systemd, unit: &str) -> Result<State, UnitError> {
        let kind = match unit.ends_with(".scope") {
            true => "org.freedesktop.systemd1.Scope",
            false => "org.freedesktop.systemd1.Service",
        };
        let control_group = systemd.property(unit, kind, "ControlGroup");
        let transient = systemd.property(unit, "org.freedesktop.systemd1.Unit", "Transient");
        let policy = systemd.property(unit, kind, "DevicePolicy");
        let allow = systemd.property(unit, kind, "DeviceAllow");
        let programs = systemd.property(unit, kind, "BPFProgram");
        let settings = DeviceSettings {
            policy: answer(unit, "DevicePolicy", policy).await?,
            allow: answer(unit, "DeviceAllow", allow).await?,
        };
        Ok(State {
            control_group: answer(unit, "ControlGroup", control_group).await?,
            transient: answer(unit, "Transient", transient).await?,
            settings,
            programs: match answer(unit, "BPFProgram", programs).await {
                Err(error) if is_unknown_property(&error) => Vec::new(),
                programs => programs?,
            },
        })
    }
}

async fn answer<T: 'static>(
    unit: &str,
    name: &'static str,
    asked: Asked<T>,
) -> Result<T, UnitError> {
    let answer = asked.await.map_err(UnitError::Runtime)?;
    answer.map_err(|source| failed(unit, name, source))
}

fn is_unknown_property(error: &UnitError) -> bool {
    let UnitError::Call { source, .. } = error else { return false };
    matches!(&**source, zbus::Error::FDO(error) if matches!(**error, fdo::Error::UnknownProperty(_)))
}

fn failed(unit: &str, call: &'static str, source: zbus::Error) -> UnitError {
    UnitError::Call { unit: unit.to_owned(), call, source: Box::new(source) }
}
