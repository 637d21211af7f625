//! Talking to systemd: a connection, and the calls of its D-Bus interface that are needed
//! (org.freedesktop.systemd1(5)).

use std::time::Duration;

use serde::de::DeserializeOwned;
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, Type, Variant};
use zruntime::SharedRuntime;

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

/// A connection to systemd.
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

    /// The object of a unit that is loaded.
    pub(super) async fn unit(&self, name: &str) -> zbus::Result<OwnedObjectPath> {
        self.call(MANAGER, MANAGER_INTERFACE, "GetUnit", &name).await
    }

    /// A property of an object.
    pub(super) async fn property<T>(
        &self,
        object: &OwnedObjectPath,
        interface: &str,
        name: &str,
    ) -> zbus::Result<T>
    where
        T: TryFrom<OwnedVariant, Error: Into<zbus::Error>>,
    {
        let interface_of_get = "org.freedesktop.DBus.Properties";
        let value: OwnedVariant =
            self.call(object.as_str(), interface_of_get, "Get", &(interface, name)).await?;
        value.try_into().map_err(Into::into)
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
