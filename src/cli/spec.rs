//! Rules as `linux.resources.devices` has them.

use devgate::device::DeviceType;
use devgate::policy::{Number, Rule, TypeMatch, Verdict};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType};

/// The entries for these rules, in their order.
pub fn devices(rules: &[Rule]) -> anyhow::Result<Vec<LinuxDeviceCgroup>> {
    rules.iter().map(device).collect()
}

/// The entry for one rule.
pub fn device(rule: &Rule) -> anyhow::Result<LinuxDeviceCgroup> {
    let mut builder = LinuxDeviceCgroupBuilder::default()
        .allow(rule.verdict() == Verdict::Allow)
        .typ(match rule.device_type() {
            TypeMatch::Any => LinuxDeviceType::A,
            TypeMatch::Only(DeviceType::Block) => LinuxDeviceType::B,
            TypeMatch::Only(DeviceType::Char) => LinuxDeviceType::C,
        });
    if let Number::Exactly(major) = rule.major() {
        builder = builder.major(i64::from(major));
    }
    if let Number::Exactly(minor) = rule.minor() {
        builder = builder.minor(i64::from(minor));
    }
    if !rule.access().is_none() {
        builder = builder.access(rule.access().to_string());
    }
    Ok(builder.build()?)
}
