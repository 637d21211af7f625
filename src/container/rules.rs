//! Rules as `linux.resources.devices` has them, for serde's `with`.

pub(super) mod list {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::oci::DeviceEntry;
    use crate::policy::Rule;

    pub fn serialize<S: Serializer>(rules: &[Rule], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rules.iter().copied().map(DeviceEntry))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Rule>, D::Error> {
        let entries = Vec::<DeviceEntry>::deserialize(from)?;
        Ok(entries.into_iter().map(|DeviceEntry(rule)| rule).collect())
    }
}

pub(super) mod one {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::oci::DeviceEntry;
    use crate::policy::Rule;

    pub fn serialize<S: Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
        DeviceEntry(*rule).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Rule, D::Error> {
        DeviceEntry::deserialize(from).map(|DeviceEntry(rule)| rule)
    }
}
