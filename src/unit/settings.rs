//! The settings of a unit that make systemd attach device programs to its cgroup
//! (systemd.resource-control(5)).

use zbus::{OwnedObjectPath, OwnedVariant, Variant, fdo};

use super::bus::Systemd;
use super::error::UnitError;

/// The name of systemd's D-Bus interface for every unit.
const UNIT: &str = "org.freedesktop.systemd1.Unit";

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

    fn properties(&self) -> [(&'static str, Variant<'_>); 2] {
        [
            ("DevicePolicy", self.policy.as_str().into()),
            // An empty list clears the setting, and any other is added to it.
            ("DeviceAllow", self.allow.clone().into()),
        ]
    }
}

/// A unit of systemd's that is loaded.
pub(super) struct Loaded<'a> {
    systemd: &'a Systemd,
    name: &'a str,
    object: OwnedObjectPath,
    /// The D-Bus interface of its kind.
    interface: &'static str,
}

impl<'a> Loaded<'a> {
    /// The unit of this name.
    pub(super) async fn new(systemd: &'a Systemd, name: &'a str) -> Result<Loaded<'a>, UnitError> {
        let object = systemd.unit(name).await;
        let object = object.map_err(|source| failed(name, "GetUnit", source))?;
        let interface = match name.ends_with(".scope") {
            true => "org.freedesktop.systemd1.Scope",
            false => "org.freedesktop.systemd1.Service",
        };
        Ok(Loaded { systemd, name, object, interface })
    }

    /// Its cgroup's path, as systemd's /proc/PID/cgroup has it; empty if it has none.
    pub(super) async fn control_group(&self) -> Result<String, UnitError> {
        self.get(self.interface, "ControlGroup").await
    }

    /// Whether it was made by a call, as runtimes do, and not from a file.
    pub(super) async fn is_transient(&self) -> Result<bool, UnitError> {
        self.get(UNIT, "Transient").await
    }

    /// Its device settings.
    pub(super) async fn device_settings(&self) -> Result<DeviceSettings, UnitError> {
        Ok(DeviceSettings {
            policy: self.get(self.interface, "DevicePolicy").await?,
            allow: self.get(self.interface, "DeviceAllow").await?,
        })
    }

    /// BPFProgram=: types and the paths of pins. None with a systemd before 249, which has no such
    /// setting.
    pub(super) async fn bpf_programs(&self) -> Result<Vec<(String, String)>, UnitError> {
        let got = self.systemd.property(&self.object, self.interface, "BPFProgram").await;
        match got {
            Err(zbus::Error::FDO(error)) if matches!(*error, fdo::Error::UnknownProperty(_)) => {
                Ok(Vec::new())
            }
            got => got.map_err(|source| failed(self.name, "Get BPFProgram", source)),
        }
    }

    /// Sets its device settings until the unit ends or the machine stops.
    pub(super) async fn set(&self, settings: &DeviceSettings) -> Result<(), UnitError> {
        let set = self.systemd.set_properties(self.name, &settings.properties()).await;
        set.map_err(|source| failed(self.name, "SetUnitProperties", source))
    }

    async fn get<T>(&self, interface: &str, property: &'static str) -> Result<T, UnitError>
    where
        T: TryFrom<OwnedVariant, Error: Into<zbus::Error>>,
    {
        let got = self.systemd.property(&self.object, interface, property).await;
        got.map_err(|source| failed(self.name, property, source))
    }
}

fn failed(unit: &str, call: &'static str, source: zbus::Error) -> UnitError {
    UnitError::Call { unit: unit.to_owned(), call, source: Box::new(source) }
}
