//! Talking to systemd: a connection, and the calls of its D-Bus interface that are needed
//! (org.freedesktop.systemd1(5)).

use std::time::Duration;

use serde::de::DeserializeOwned;
use zbus::{Connection, DynamicType, OwnedVariant, Type, Variant};
use zruntime::{Shared, SharedRuntime, Task};

use super::error::UnitError;

/// How long systemd may take for all of a conversation. A container waits for it.
pub(super) const WAIT: Duration = Duration::from_secs(2);

/// The system bus (D-Bus Specification, "Well-known Message Bus Instances"). The variable
/// DBUS_SYSTEM_BUS_ADDRESS is not read: whoever sets the environment of a hook does not choose
/// with whom it talks.
const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "/org/freedesktop/systemd1";
const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// An answer that is waited for.
pub(super) type Asked<T> = Task<zbus::Result<T>, Shared>;

/// A connection to systemd.
#[derive(Clone)]
pub(super) struct Systemd {
    connection: Connection,
}

/// Talks to systemd, and gives up after [`WAIT`].
pub(super) fn with_systemd<T>(
    talk: impl AsyncFnOnce(&Systemd) -> Result<T, UnitError>,
) -> Result<T, UnitError> {
    let conversation = async { talk(&Systemd::connect().await?).await };
    zbus::block_on(async {
        let runtime = SharedRuntime::current().map_err(UnitError::Runtime)?;
        runtime.timeout(WAIT, conversation).await.map_err(|_| UnitError::Silent)?
    })
}

impl Systemd {
    /// Not by systemd's own socket (/run/systemd/private): there its messages have a sender that is
    /// not a unique name, which the D-Bus Specification does not allow, and zbus refuses them.
    async fn connect() -> Result<Systemd, UnitError> {
        let connected = zbus::connection::Builder::address(SYSTEM_BUS).build().await;
        let connection = connected.map_err(|error| UnitError::Connect(Box::new(error)))?;
        Ok(Systemd { connection })
    }

    /// A property of a unit. It is asked for at once, and several may be under way: an answer takes
    /// two ways through the bus.
    pub(super) fn property<T>(
        &self,
        unit: &str,
        interface: &'static str,
        name: &'static str,
    ) -> Asked<T>
    where
        T: TryFrom<OwnedVariant, Error: Into<zbus::Error>> + Send + 'static,
    {
        let (systemd, object) = (self.clone(), object(unit));
        zruntime::spawn(async move {
            let wanted = (interface, name);
            let value: OwnedVariant = systemd.call(&object, PROPERTIES, "Get", &wanted).await?;
            value.try_into().map_err(Into::into)
        })
    }

    /// Sets properties of a unit for as long as it runs, or until the machine stops.
    pub(super) async fn set_properties(
        &self,
        unit: &str,
        properties: &[(&str, Variant<'_>)],
    ) -> zbus::Result<()> {
        let arguments = (unit, true, properties);
        self.call(MANAGER, MANAGER_INTERFACE, "SetUnitProperties", &arguments).await
    }

    async fn call<T: DeserializeOwned + Type>(
        &self,
        object: &str,
        interface: &str,
        method: &str,
        arguments: &(impl serde::Serialize + DynamicType),
    ) -> zbus::Result<T> {
        let destination = Some(SERVICE);
        let reply =
            self.connection.call_method(destination, object, Some(interface), method, arguments);
        reply.await?.body().deserialize()
    }
}

/// The object of a unit (systemd's bus_path_encode): every byte but letters and digits is written
/// as `_` and two hexadecimal digits, and so is a digit at the beginning.
fn object(unit: &str) -> String {
    let mut object = "/org/freedesktop/systemd1/unit/".to_owned();
    for (place, byte) in unit.bytes().enumerate() {
        let plain = byte.is_ascii_alphabetic() || (place > 0 && byte.is_ascii_digit());
        match plain {
            true => object.push(char::from(byte)),
            false => object.push_str(&format!("_{byte:02x}")),
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `systemd-analyze` and busctl(1) have it.
    #[test]
    fn objects_are_escaped() {
        for (unit, label) in [
            ("libpod-9a.scope", "libpod_2d9a_2escope"),
            ("9a.scope", "_39a_2escope"),
            ("a_b@1.service", "a_5fb_401_2eservice"),
        ] {
            assert_eq!(object(unit), format!("/org/freedesktop/systemd1/unit/{label}"));
        }
    }
}
