//! Talking to systemd: a connection, and the calls of its D-Bus interface that are needed
//! (org.freedesktop.systemd1(5)).

use std::time::Duration;

use serde::de::DeserializeOwned;
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, Type, Variant};
use zruntime::SharedRuntime;

use super::error::UnitError;

/// How long systemd may take for all of a conversation. A container waits for it.
pub(super) const WAIT: Duration = Duration::from_secs(2);

/// systemd's own socket, which is there without a bus too. It lets in root alone.
const PRIVATE: &str = "unix:path=/run/systemd/private";

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
    /// On a bus, whom messages are for.
    destination: Option<&'static str>,
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
    /// systemctl(1), too, tries systemd's own socket first: one process less answers.
    async fn connect() -> Result<Systemd, UnitError> {
        let builder = |address: &'static str| zbus::connection::Builder::address(address);
        let private = match builder(PRIVATE).p2p().build().await {
            Ok(connection) => return Ok(Systemd { connection, destination: None }),
            Err(error) => Box::new(error),
        };
        match builder(SYSTEM_BUS).build().await {
            Ok(connection) => Ok(Systemd { connection, destination: Some(SERVICE) }),
            Err(bus) => Err(UnitError::Connect { private, bus: Box::new(bus) }),
        }
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
        let destination = self.destination;
        let reply =
            self.connection.call_method(destination, object, Some(interface), method, arguments);
        reply.await?.body().deserialize()
    }
}
