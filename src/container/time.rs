//! Points in time as a record has them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// The last millisecond of the year 9999, after which RFC 3339 has no more digits.
const LAST: u64 = 253_402_300_799_999;

/// A point in time between 1970 and 9999, in milliseconds; as text it is RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A text that is not a time.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not a time (expected like \"2026-01-31T12:00:00Z\")")]
pub struct TimeError(String);

impl Time {
    /// The machine's clock; 1970 or 9999 if that is outside of these years.
    pub fn now() -> Time {
        Time::of(SystemTime::now())
    }

    /// The same time; 1970 or 9999 if it is outside of these years.
    pub fn of(time: SystemTime) -> Time {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(milliseconds(since).map_or(LAST, |time| time.min(LAST)))
    }

    /// This time and `duration`; `None` after the year 9999.
    pub fn plus(self, duration: Duration) -> Option<Time> {
        let sum = self.0.checked_add(milliseconds(duration)?)?;
        (sum <= LAST).then_some(Time(sum))
    }

    /// This time less `duration`; 1970 if that is before.
    pub fn minus(self, duration: Duration) -> Time {
        Time(self.0.saturating_sub(milliseconds(duration).unwrap_or(u64::MAX)))
    }

    /// How long it is from this time to `later`; nothing if that is earlier.
    pub fn until(self, later: Time) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

fn milliseconds(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis()).ok()
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH + Duration::from_millis(self.0);
        write!(f, "{}", humantime::format_rfc3339_millis(time))
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Time, TimeError> {
        let time = humantime::parse_rfc3339(text).ok();
        time.and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(milliseconds)
            .filter(|time| *time <= LAST)
            .map(Time)
            .ok_or_else(|| TimeError(text.to_owned()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_back_as_written() {
        for text in ["1970-01-01T00:00:00.000Z", "2026-11-24T13:00:00.250Z"] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
        let now = Time::now();
        assert_eq!(now.to_string().parse(), Ok(now));
    }

    #[test]
    fn no_time_is_after_the_year_9999() {
        let last: Time = "9999-12-31T23:59:59.999Z".parse().unwrap();
        assert_eq!(last.plus(Duration::from_millis(1)), None);
        assert_eq!(Time::now().plus(Duration::MAX), None);
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.999Z");
        for text in ["", "now", "2026-11-24", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Time>(), Err(TimeError(text.to_owned())));
        }
    }

    #[test]
    fn times_are_added_and_compared() {
        let minutes = Duration::from_secs(600);
        let now = Time::now();
        let later = now.plus(minutes).unwrap();
        assert_eq!((now.until(later), later.until(now)), (minutes, Duration::ZERO));
    }
}
