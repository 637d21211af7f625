//! The devices that a `revoke` is about.

use super::devices::{Asked, Devices};
use super::edit::Revoked;
use super::error::ChangeError;
use super::stores::Stores;
use crate::container::{ContainerId, Grant};
use crate::policy::Verdict;

/// The device that the name stands for now, and those that were granted by this name: it may have
/// stood for others then. A name that is gone still revokes what was granted by it.
///
/// # Errors
/// There is no such device and none was granted by this name, or the record or what is kept can't be
/// read.
pub fn revoked(
    stores: &Stores,
    id: &ContainerId,
    asked: &Asked,
) -> Result<Vec<Revoked>, ChangeError> {
    let device = asked.name.to_string();
    let recorded = stores.records.get(id)?.map(|record| record.grants);
    let kept = stores.kept_of(id)?.map(|kept| kept.grants);
    let is_meant =
        |grant: &&Grant| grant.device == device && grant.rule.verdict() == Verdict::Allow;
    let granted = recorded.iter().chain(&kept).flatten().filter(is_meant);
    let mut devices: Vec<Devices> = granted.filter_map(|grant| Devices::of(&grant.rule)).collect();
    match asked.name.resolve() {
        Ok(now) => devices.push(now.devices),
        Err(error) if devices.is_empty() => return Err(error.into()),
        Err(_) => {}
    }
    let mut revoked: Vec<Revoked> = Vec::with_capacity(devices.len());
    for devices in devices {
        if !revoked.iter().any(|earlier| earlier.devices == devices) {
            revoked.push(Revoked { device: device.clone(), devices, access: asked.access });
        }
    }
    Ok(revoked)
}
