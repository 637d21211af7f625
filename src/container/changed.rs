//! Whether a directory has changed since it was listed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A change that is not older than this may be followed by another with the same time: the
/// kernel's clock for files has steps of some milliseconds.
const FRESH: Duration = Duration::from_secs(1);

/// How often a directory with such a change is listed.
const PAUSE: Duration = Duration::from_millis(50);

/// A directory as it was when it was listed last.
#[derive(Debug, Default)]
pub(super) struct Listed(Option<Last>);

#[derive(Debug)]
struct Last {
    changed: SystemTime,
    listed: Instant,
    /// Whether another change would have another time.
    settled: bool,
}

impl Listed {
    /// Whether it has to be listed. The caller does so if it has.
    pub fn is_due(&mut self, dir: &Path) -> bool {
        let Ok(changed) = fs::metadata(dir).and_then(|found| found.modified()) else {
            self.0 = None;
            return true;
        };
        let now = Instant::now();
        if let Some(last) = self.0.as_ref().filter(|last| last.changed == changed)
            && (last.settled || now.saturating_duration_since(last.listed) < PAUSE)
        {
            return false;
        }
        // A time in the future is no older.
        let settled = changed.elapsed().is_ok_and(|age| age > FRESH);
        self.0 = Some(Last { changed, listed: now, settled });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_listed_when_it_changed_and_a_little_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut listed = Listed::default();
        assert!(listed.is_due(dir.path()));
        let old = SystemTime::now() - Duration::from_secs(10);
        let set = |time| fs::File::open(dir.path()).unwrap().set_modified(time).unwrap();
        set(old);
        assert!(listed.is_due(dir.path()) && !listed.is_due(dir.path()));
        set(SystemTime::now());
        assert!(listed.is_due(dir.path()));
        std::thread::sleep(2 * PAUSE);
        assert!(listed.is_due(dir.path()), "there may have been another change at the same time");
        let gone = dir.path().join("gone");
        assert!(listed.is_due(&gone) && listed.is_due(&gone));
    }
}
