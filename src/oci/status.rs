//! The state's status, of which one value matters. Runtimes know statuses that are not in the
//! specification, so that any value is taken.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What the runtime-spec ("State") has for a container whose process has exited.
const STOPPED: &str = "stopped";

/// Whether the status is exactly "stopped".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IsStopped(pub bool);

impl<'de> Deserialize<'de> for IsStopped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IsStopped, D::Error> {
        deserializer.deserialize_any(StatusVisitor).map(IsStopped)
    }
}

struct StatusVisitor;

impl<'de> Visitor<'de> for StatusVisitor {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status")
    }

    fn visit_str<E>(self, status: &str) -> Result<bool, E> {
        Ok(status == STOPPED)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_status_says_stopped() {
        let is_stopped = |status| serde_json::from_str::<IsStopped>(status).unwrap().0;
        assert!(is_stopped(r#""stopped""#));
        assert!(is_stopped(r#""sto\u0070ped""#));
        for other in [
            r#""creating""#,
            r#""created""#,
            r#""running""#,
            r#""Stopped""#,
            r#""stopped ""#,
            "null",
            "true",
            "-1",
            "1",
            "1e99",
            r#"["stopped"]"#,
            r#"{"stopped":"stopped"}"#,
        ] {
            assert!(!is_stopped(other), "{other}");
        }
    }
}
