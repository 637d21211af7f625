//! What goes wrong again and again: it is tried more and more seldom, and told once.

use std::time::{Duration, Instant};

/// The first wait, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// What failed, if anything did.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<Failed>);

#[derive(Debug)]
struct Failed {
    message: String,
    wait: Duration,
    again: Instant,
}

impl Trouble {
    /// Whether it is not yet time to try again.
    pub fn waits(&self, now: Instant) -> bool {
        self.0.as_ref().is_some_and(|failed| now < failed.again)
    }

    /// It failed. Says whether this is news.
    pub fn add(&mut self, message: &str, now: Instant) -> bool {
        let before = self.0.take();
        let is_news = before.as_ref().is_none_or(|failed| failed.message != message);
        let wait = before.map_or(FIRST, |failed| (failed.wait * 2).min(LONGEST));
        self.0 = Some(Failed { message: message.to_owned(), wait, again: now + wait });
        is_news
    }

    /// It worked.
    pub fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_tried_more_and_more_seldom() {
        let mut trouble = Trouble::default();
        let start = Instant::now();
        let mut now = start;
        assert!(!trouble.waits(now));
        let mut waits = Vec::new();
        for round in 0..8 {
            assert_eq!(trouble.add("x", now), round == 0);
            let begin = now;
            while trouble.waits(now) {
                now += FIRST;
            }
            waits.push((now - begin).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(trouble.add("y", now));
        trouble.clear();
        assert!(!trouble.waits(now) && trouble.add("y", now));
    }
}
