//! From the kernel's monotonic times to dates.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// The date of a time on CLOCK_MONOTONIC, by the clock as it is set now.
pub fn date(monotonic: Duration) -> SystemTime {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or(monotonic);
    SystemTime::now() - now.saturating_sub(monotonic)
}

/// As in the log: RFC 3339, to the millisecond, UTC.
pub fn rfc3339(monotonic: Duration) -> String {
    humantime::format_rfc3339_millis(date(monotonic)).to_string()
}

/// The time of the day, UTC.
pub fn time_of_day(monotonic: Duration) -> String {
    let date = humantime::format_rfc3339_seconds(date(monotonic)).to_string();
    date.get(11..19).unwrap_or(&date).to_owned()
}
